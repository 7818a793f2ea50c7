#!/usr/bin/env bash
# Boot a host, or clear away what it leaves. Runs in a mount namespace of its own,
# so that all mounts go with it.
#
#   boot.sh boot NAME ROOT WORK OPTION...   ROOT is left as it is; what changes is kept in WORK
#   boot.sh list PREFIX    the names of hosts that have left a cgroup
#   boot.sh clear NAME
set -euo pipefail
task=$1 name=$2
shift 2

mount --make-rprivate /
# The host's systemd wants cgroups of version 2, and a machine may have others.
umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/$name

case $task in
list)
	find /sys/fs/cgroup -maxdepth 1 -type d -name "$name*" -printf '%f\n'
	;;
clear)
	[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
	;;
boot)
	root=$1 work=$2
	shift 2
	mkdir -p "$group/payload" "$work"/{upper,overlay,root}
	echo $$ >"$group/payload/cgroup.procs"
	mount -t overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/overlay" "$name" "$work/root"
	# libvirt and nftables use system calls that nspawn does not allow by itself.
	exec systemd-nspawn --directory="$work/root" --boot --register=no --keep-unit --private-network --capability=all \
		--system-call-filter='bpf keyctl add_key @raw-io' --machine="$name" --hostname=virthost \
		--bind=/dev/net/tun --resolv-conf=off --timezone=off --link-journal=no --console=read-only "$@"
	;;
esac
