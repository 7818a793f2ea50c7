#!/usr/bin/env bash
# Boots Debian's cloud-init in a root file system: every stage, in the order in
# which systemd would run them. Runs inside the guest's network namespace and
# inside mount, host name and process namespaces of its own, so that all mounts
# go with it.
#
#   cloudinit.sh ROOT CONFIG RESULTS [DMI]
#
# ROOT is left as it is. CONFIG becomes a file of /etc/cloud/cloud.cfg.d.
# RESULTS, a directory, gets what cloud-init left behind. DMI is a directory that
# stands for /sys/class/dmi/id: with it the guest decides by itself where its
# metadata comes from, and sets up its network as that says. A guest that reboots
# itself is booted again, once, with the disk that it has.
set -euo pipefail
root=$1 config=$2 results=$3 dmi=${4:-}

mount --make-rprivate /
guest=$(dirname "$results")/root
mkdir -p "$guest" "$results"
mount -t tmpfs -o mode=755 lab "$guest" # gone with the namespace
mkdir "$guest"/{upper,work,root}
# A kernel or a container without overlays gets a copy.
mount -t overlay -o "lowerdir=$root,upperdir=$guest/upper,workdir=$guest/work" lab "$guest/root" 2>/dev/null ||
	cp -a "$root/." "$guest/root"
guest=$guest/root

mount -t proc proc "$guest/proc"
if [ -z "$dmi" ]; then
	mount -t sysfs -o ro sysfs "$guest/sys"
else # the guest's network and the given firmware, and none of the machine's
	mount -t sysfs -o ro sysfs "$guest/mnt"
	mount -t tmpfs -o mode=755 sys "$guest/sys"
	mkdir -p "$guest"/sys/class/{net,dmi} "$guest/sys/devices"
	mount --bind "$guest/mnt/class/net" "$guest/sys/class/net"
	mount --bind "$guest/mnt/devices" "$guest/sys/devices"
	cp -r "$dmi" "$guest/sys/class/dmi/id"
fi
mount -t tmpfs -o mode=755 run "$guest/run"
mount -t tmpfs -o mode=755 dev "$guest/dev" # none of the machine's disks
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
	IFS=: read -r name major minor <<<"$node"
	mknod -m 666 "$guest/dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd "$guest/dev/fd"
ln -s /dev/null "$guest/dev/console"

cp "$config" "$guest/etc/cloud/cloud.cfg.d/99_lab.cfg"
cat /etc/resolv.conf >"$guest/etc/resolv.conf"
hostname unconfigured

# The guest is to be a virtual machine, by its firmware, and no container.
if [ -n "$dmi" ] && [ -e "$guest/usr/bin/systemd-detect-virt" ]; then
	printf '%s\n' '#!/bin/sh' 'case "$*" in *--container*) echo none; exit 1 ;; esac' 'echo kvm' >"$guest/usr/bin/systemd-detect-virt"
fi

in_guest() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot "$guest" "$@"; }

# identify is what systemd's generator does before anything else.
identify() {
	[ -n "$dmi" ] || return 0
	mkdir "$guest/run/systemd"
	in_guest /usr/lib/cloud-init/ds-identify --force
}

# network is what ifupdown's unit does between the first two stages.
network() {
	[ -e "$guest/etc/network/interfaces.d/50-cloud-init" ] || return 0
	in_guest ifup -a >"$results/ifup" 2>&1
}

# stage runs a stage, and notes when its process ended.
stage() {
	local answer=0
	in_guest cloud-init "$@" || answer=$?
	date +%s.%N >>"$results/stages"
	return "$answer"
}

# boot runs all stages. As the units do, a stage runs although one before it has failed.
boot() {
	identify && stage init --local || status=$?
	network || status=$?
	for args in init 'modules --mode=config' 'modules --mode=final'; do
		# shellcheck disable=SC2086 # words
		stage $args || status=$?
	done
}

# reboots waits for cloud-init's last process, and reports whether it has asked for a
# reboot. Without systemd, nothing else would follow.
reboots() {
	for _ in $(seq 100); do
		in_guest sh -c 'grep -aq -e "^[^ ]*python.*bin/cloud-init" -e "bin/[s]hutdown" /proc/[0-9]*/cmdline 2>/dev/null' || break
		sleep 0.1
	done
	[ -e "$guest/run/lab-reboot" ]
}

printf '%s\n' '#!/bin/sh' 'touch /run/lab-reboot' >"$guest/usr/sbin/shutdown.lab"
chmod 755 "$guest/usr/sbin/shutdown.lab"
mv "$guest/usr/sbin/shutdown.lab" "$guest/usr/sbin/shutdown" # where it may be a link to systemctl

status=0
boot
if reboots; then
	kill -9 -1 || true # all but this shell, the first process of its namespace
	umount -l "$guest/run"
	mount -t tmpfs -o mode=755 run "$guest/run"
	ip -4 address flush dev eth0
	boot
fi

# What a guest's owner, or a provisioning tool, asks for.
answer=0
in_guest timeout 60 cloud-init status --wait --long >"$results/status" 2>&1 || answer=$?
echo "$answer" >"$results/status-code"

# A report to mdserver goes on behind the boot. In a guest with systemd it is a unit.
for _ in $(seq 100); do
	in_guest sh -c 'grep -aq "^[^ ]*python.*/run/mdserver/report" /proc/[0-9]*/cmdline 2>/dev/null' || break
	sleep 0.1
done

hostname >"$results/hostname"
ip address show >"$results/addresses"
{ ip -4 route show && ip -6 route show; } >"$results/routes"
for file in /var/log/cloud-init.log /run/cloud-init/result.json /run/cloud-init/status.json /run/cloud-init/cloud.cfg \
	/run/cloud-init/ds-identify.log /run/cloud-init/instance-data-sensitive.json /etc/hostname /etc/hosts /etc/resolv.conf \
	/etc/timezone /etc/network/interfaces.d/50-cloud-init /var/lib/cloud/data/instance-id; do
	[ ! -e "$guest$file" ] || install -D -m 600 "$guest$file" "$results$file"
done
for file in "$guest"/home/*/.ssh/authorized_keys "$guest"/root/.ssh/authorized_keys "$guest"/var/lib/lab/*; do
	[ ! -e "$file" ] || install -D -m 600 "$file" "$results/${file#"$guest"}"
done
# What ifup started ends with the process namespace; its address stays.
exit "$status"
