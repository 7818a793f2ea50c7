#!/bin/sh
# Called by dhclient -6 with the event and the lease in its environment. Sets up
# the interface and the resolver; the route comes by router advertisement.
# shellcheck disable=SC2154 # dhclient sets them
case $reason in
BOUND6 | RENEW6 | REBIND6)
	ip -6 addr replace "$new_ip6_address/$new_ip6_prefixlen" dev "$interface" nodad
	for server in $new_dhcp6_name_servers; do echo "nameserver $server"; done >/etc/resolv.conf
	;;
esac
