#!/usr/bin/env bash
# Run a command in a root file system. Runs inside the guest's network namespace
# and inside mount and process namespaces of its own, so that all mounts go with
# it.
#
#   inroot.sh ROOT FILES COMMAND...
#
# ROOT is left as it is. FILES, a directory, is laid over it.
set -euo pipefail
root=$1 files=$2
shift 2

mount --make-rprivate /
guest=$(dirname "$files")/root
mkdir -p "$guest"
mount -t tmpfs -o mode=755 lab "$guest" # gone with the namespace
mkdir "$guest"/{upper,work,root}
# A kernel or a container without overlays gets a copy.
mount -t overlay -o "lowerdir=$root,upperdir=$guest/upper,workdir=$guest/work" lab "$guest/root" 2>/dev/null ||
	cp -a "$root/." "$guest/root"
mount -t proc proc "$guest/root/proc"
mount -t tmpfs -o mode=755 dev "$guest/root/dev"
for node in null:1:3 zero:1:5 random:1:8 urandom:1:9; do
	IFS=: read -r name major minor <<<"$node"
	mknod -m 666 "$guest/root/dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd "$guest/root/dev/fd"
mkdir "$guest/root/dev/shm"
cp -a "$files/." "$guest/root"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot "$guest/root" "$@"
