#!/bin/sh
# Called by udhcpc with the event as its argument and the lease in its
# environment. Sets up the interface and writes the lease for the lab to read.
# shellcheck disable=SC2154 # udhcpc sets them
event=$1

if [ "$event" = deconfig ]; then
	ip -4 addr flush dev "$interface"
fi
if [ "$event" = bound ] || [ "$event" = renew ]; then
	ip addr replace "$ip/$mask" dev "$interface"
	if [ -n "$staticroutes" ]; then
		# Classless routes stand in for the router option (RFC 3442).
		# shellcheck disable=SC2086 # a list of words
		set -- $staticroutes
		while [ $# -ge 2 ]; do
			if [ "$2" = 0.0.0.0 ]; then
				ip route replace "$1" dev "$interface"
			else
				ip route replace "$1" via "$2" dev "$interface"
			fi
			shift 2
		done
	elif [ -n "$router" ]; then
		ip route replace default via "${router%% *}" dev "$interface"
	fi
	{
		[ -n "$domain" ] && echo "search $domain"
		for server in $dns; do echo "nameserver $server"; done
	} >/etc/resolv.conf
fi

count=$(($(sed -n 's/^count=//p' "$LAB_LEASE" 2>/dev/null || echo 0) + 1))
{
	echo "count=$count"
	echo "event=$event"
	env | grep -E '^(ip|mask|router|dns|domain|hostname|staticroutes|lease|serverid)='
} >"$LAB_LEASE.new"
mv "$LAB_LEASE.new" "$LAB_LEASE"
