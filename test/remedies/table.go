package remedies

// Commands that several remedies have.
const (
	restart  = "systemctl restart %s"
	reload   = "mdserver reload"
	addAddr  = "ip address add %s dev %s"
	linkUp   = "ip link set %s up"
	addLink  = "ip link add name %s type bridge"
	start    = "virsh net-start %s"
	auto     = "virsh net-autostart %s"
	define   = "virsh net-define %s"
	echo     = "echo %s | virsh net-define /dev/stdin"
	relaunch = "kill %s; while kill -0 %s 2>/dev/null; do sleep 0.1; done; %s --daemon"
	resettle = "systemctl reload %s"
	stop     = "kill %s"
	disable  = "systemctl disable --now %s"
	enable   = "systemctl enable --now %s"
	chmod    = "chmod %s %s"
	smbios   = "mdserver smbios --apply %s"
	moveAway = "mv --backup=numbered %s %s"
	unmark   = "rm -f %s"
	nft      = "nft insert rule %s %s %s iifname %s %s dport %s accept"
	iptables = "%s -I %s -i %s -p %s --dport %s -j ACCEPT"
	openPort = "firewall-cmd --permanent --zone=%s --add-port=%s/%s"
	joinZone = "firewall-cmd --permanent --zone=%s --add-interface=%s"
	rezone   = "firewall-cmd --reload"
	attach   = "ip link set %s master %s"
	install  = "mdserver install"
	apt      = "apt-get install dnsmasq-base"
)

// Findings that several rows have.
const (
	noBridge  = "the bridge %s of the network %q does not exist"
	neither   = "libvirt has no network %q, and there is no bridge %s"
	noHook    = "libvirt has no hook for mdserver"
	notExec   = "the hook %s is not executable"
	oldHook   = "%s has run since %s and looks for hooks only when it starts or reloads; the hook was installed at %s"
	mayNot    = "the user %s cannot use %s, which is %s"
	database  = "the database cannot be used: %v"
	inUse     = "%v: it runs, but does not answer on %s"
	dropped   = "packets from guests on %s to %s port %d by %s are dropped by %s"
	maybe     = "packets from guests on %s to %s port %d by %s may be dropped by %s; earlier rules could not be evaluated"
	noRoute   = "there is no route to %s: no interface has the address"
	leaves    = "packets to %s leave this host by %s: no interface here has the address"
	elsewhere = "packets to the guests' network %s leave by %s, not by %s: another network has the same addresses"
	taken     = "%s is used by %s, which listens on %s"
	holds     = "%s uses %s, which the dnsmasq of %s needs"
	clash     = "%s uses %s, which the dnsmasq of %s needs: it runs without bind-dynamic and binds to all addresses"
	noSocket  = "the user %s may not use libvirt's socket %s, which is %s: it cannot edit the network %q"
	deaf      = "an mdserver, process %d, listens on %s but does not answer on %s"
	mute      = "mdserver runs, but does not listen on %s"
	noDnsmasq = "there is no dnsmasq at %s (%v)"
	tokens    = "the guest %q detects %s and sends no tokens, but imds requires them: it gets no metadata"
	noTokens  = "the guest %q detects AWS and needs tokens, but imds is off"
	network   = "libvirt has no network %q"
	bridge    = "libvirt's network %q has the bridge %s, but the configuration says %s"
	noServer  = "the server's dnsmasq for the network %q does not run"
	rights    = "network %q: %s"
	group     = "the server is in the group libvirt, which is equivalent to root, but no network needs it: only networks with backend = libvirt do"
)

// Why a row has no test.
const (
	registry = "the command asks the distribution's package registry, which a test must not need"
	offline  = "without systemd there is no command, and a person starts the server; with it, TestRemediesOnHost runs the command"
	cluster  = "no command repairs it; the tests of internal/doctor cause it in a real cluster, or make it up"
	uplinks  = "it needs two hosts; TestMetadataOfTwoHosts of internal/doctor/network causes it with two, and turns port security on"
	people   = "a person decides what becomes of guests and networks; the tests of internal/doctor and the script host of internal/cli make it up"
	moment   = "the state lasts for a moment only: the server puts it right itself"
)

// Table has a row for each remedy of each finding that is no good news.
var Table = []Row{
	// The configuration and the server.
	{"the configuration is not valid: %v", nil, "TestDoctorConfiguration", ""},
	{"the configuration has a warning: %s", nil, "TestDoctorConfiguration", ""},
	{"mdserver.upload is local: every user of this host may register guests; mdserver's own hook needs no upload by TCP", []string{reload}, "TestDoctorConfiguration", ""},
	{"verify_mac is no: a guest that uses another guest's address can read its metadata", []string{reload}, "TestDoctorConfiguration", ""},
	{"guests on the network %q can pose as each other and as this host: port_security is no", []string{reload}, "TestDoctorConfiguration", ""},
	{"the unit %s is %s: %v", []string{enable}, "TestRemediesOnHost", ""},
	{"the unit %s is %s: %v", []string{restart}, "TestRemediesOnHost", ""},
	{"mdserver does not run: nothing answers on %s", []string{"mdserver serve"}, "TestDoctorServer", ""},
	{deaf, []string{stop, "mdserver serve"}, "TestDoctorServer", ""},
	{deaf, []string{disable, enable}, "", "a server of systemd's answers on the socket of the configuration that its unit names"},
	{mute, []string{restart}, "TestRemediesOnHost", ""},
	{mute, nil, "", offline},
	{taken, []string{stop}, "TestDoctorPortTaken", ""},
	{taken, []string{disable}, "TestRemediesOnHost", ""},
	{"this kernel is older than Linux 5.10 and does not store the Ethernet source of connections: MAC addresses are verified by the neighbour table, which guests can change", nil, "", "needs an older kernel; the finding says that no command helps"},
	{"the clock is not synchronised", []string{"timedatectl set-ntp true"}, "", "a test may not set the kernel's clock"},

	// Data.
	{"%s cannot be read: %v", nil, "TestDoctorData", ""},
	{mayNot, []string{"chown %s %s", chmod}, "TestDoctorRights", ""},
	{mayNot, []string{"chgrp %s %s", chmod}, "TestDoctorRights", ""},
	{mayNot, []string{chmod}, "TestDoctorRights", ""},
	{"all users have access to %s, which contains secrets", []string{"chmod 600 %s"}, "TestDoctorData", ""},
	{database, []string{moveAway, unmark}, "TestDoctorData", ""},
	{database, []string{unmark}, "TestDoctorData", ""},
	{database, []string{"mdserver restore --yes %s"}, "TestDoctorData", ""},
	{database, nil, "TestDoctorData", ""},
	{inUse, []string{restart}, "TestRemediesOnHost", ""},
	{inUse, nil, "", offline},
	{"%s is damaged in %s, the first: %v", nil, "TestDoctorDamage", ""},
	{"damaged records of the database were set aside in %s", nil, "TestDoctorDamage", ""},
	{"%s is full: %d of %d %s are free or in quarantine", nil, "TestDoctorAddresses", ""},
	{"%s is nearly full: %d of %d %s are free or in quarantine", nil, "TestDoctorAddresses", ""},

	// The etcd cluster.
	{"etcd cannot be used: %v", nil, "", cluster},
	{"no etcd member can take changes", nil, "", cluster},
	{"keys in etcd cannot be read: %s", nil, "", cluster},
	{"etcd has not answered in time: %s", nil, "", cluster},
	{"another program has keys below the prefix in etcd: %s", nil, "", cluster},
	{"the etcd member %s does not answer: %s", nil, "", cluster},
	{"the etcd member %s knows no leader", nil, "", cluster},
	{"the etcd member %s reports %s", nil, "", cluster},
	{"the clock of the etcd member %s differs from this host's by %s", nil, "", cluster},
	{"%s expired on %s", nil, "", cluster},
	{"%s expires on %s", nil, "", cluster},

	{"this host has no spare %s address on the network %q: a guest that starts while etcd does not answer gets none", nil, "", people},
	{"the guest %q runs here and on the host %s, which has it", nil, "", people},
	{"two hosts disagree: %s", nil, "", people},
	{"the guest %q is called %q, because a guest on the host %s has its name", nil, "", people},
	{"the guest %q has the host name %q instead of %q, which the guest %q on the host %s has", nil, "", people},
	{"this host is drained, and guests run here: %s", []string{"mdserver host drain --undo"}, "", people},

	// libvirt and its networks.
	{"libvirt's socket exists, but its daemon does not run: %v", []string{"systemctl start %s"}, "TestRemediesOnHost", ""},
	{"libvirt does not run, its socket is missing: %v", []string{"systemctl start %s"}, "TestRemediesOnHost", ""},
	{"libvirt does not answer: %v", []string{restart}, "TestRemediesOnHost", ""},
	{"%s is missing; libvirt cannot start guests on its networks without it", []string{"mkdir --mode=755 %s"}, "TestDoctorAndLibvirt", ""},
	{noSocket, []string{"usermod --append --groups %s %s", restart}, "TestRemediesOnHost", ""},
	{noSocket, []string{restart}, "TestRemediesOnHost", ""},
	{noSocket, []string{"usermod --append --groups %s %s"}, "", offline},
	{noSocket, nil, "", offline},
	{"the network %q is not started", []string{start, auto}, "TestDoctorAndLibvirt", ""},
	{network, []string{define, "virsh net-autostart default", "virsh net-start default"}, "TestDoctorAndNetworks", ""},
	{network, nil, "TestDoctorAndNetworks", ""},
	{bridge, []string{reload}, "TestDoctorAndNetworks", ""},
	{bridge, []string{restart}, "TestRemediesOnHost", ""},
	{bridge, nil, "TestDoctorAndNetworks", ""},
	{neither, []string{define, auto, start}, "TestRemediesOnHost", ""},
	{neither, []string{echo, auto, start}, "TestDoctorAndNetworks", ""},

	// Bridges and routes.
	{noBridge, []string{addLink, linkUp, addAddr}, "TestDoctorAndNetworks", ""},
	{noBridge, []string{addLink, linkUp, addAddr, addAddr}, "TestDoctorIPv6", ""},
	{noBridge, []string{start, auto}, "TestDoctorAndNetworks", ""},
	{noBridge, []string{define, auto, start}, "TestRemediesOnHost", ""},
	{noBridge, []string{echo, auto, start}, "TestDoctorAndNetworks", ""},
	{noBridge, nil, "TestDoctorTaps", ""},
	{"the bridge %s is down", []string{linkUp}, "TestDoctorFindsAndMends", ""},
	{"%s has no address %s, %s", []string{addAddr}, "TestDoctorFindsAndMends", ""},
	{noRoute, []string{addAddr}, "TestDoctorNoRoute", ""},
	{leaves, []string{addAddr}, "TestDoctorNoRoute", ""},
	{elsewhere, []string{"ip route del %s dev %s"}, "TestDoctorFindsAndMends", ""},
	{elsewhere, nil, "TestDoctorNoRoute", ""},

	// dnsmasq.
	{noDnsmasq, []string{apt}, "", registry},
	{noDnsmasq, []string{restart}, "TestRemediesOnHost", ""},
	{noDnsmasq, nil, "TestDoctorConfiguration", ""},
	{"dnsmasq does not run: %v", []string{"apt-get install --reinstall dnsmasq-base"}, "", registry},
	{"%s is version %s.%s, but %d.%d or later is required", []string{apt}, "", registry},
	{"the server reports: %s", nil, "TestDoctorConfiguration", ""},
	{"no dnsmasq runs with the server's files for the network %q", []string{"systemctl enable --now mdserver-dnsmasq.service"}, "TestRemediesOnHost", ""},
	{noServer, []string{restart}, "", moment},
	{noServer, nil, "", moment},
	{rights, []string{install, restart}, "TestRemediesOnHost", ""},
	{rights, []string{install}, "", offline},
	{group, []string{"gpasswd --delete %s libvirt", restart}, "TestRemediesOnHost", ""},
	{group, []string{"gpasswd --delete %s libvirt"}, "", offline},
	{holds, []string{stop}, "TestDoctorDnsmasqClash", ""},
	{holds, []string{disable}, "TestRemediesOnHost", ""},
	{clash, []string{stop, "%s--bind-dynamic --except-interface=%s"}, "TestDoctorDnsmasqClash", ""},
	{clash, []string{"printf '%%s\\n' bind-dynamic %s > /etc/dnsmasq.d/beside-mdserver.conf", restart}, "TestRemediesOnHost", ""},

	// Firewall and security modules.
	{dropped, []string{nft}, "TestDoctorFirewall", ""},
	{dropped, []string{iptables}, "TestDoctorFirewall", ""},
	{maybe, []string{nft}, "TestDoctorFirewall", ""},
	{maybe, []string{iptables}, "TestDoctorFirewall", ""},
	{dropped, []string{openPort, rezone}, "TestFirewalld", ""},
	{dropped, []string{joinZone, openPort, rezone}, "TestFirewalld", ""},
	{dropped, []string{joinZone, rezone}, "TestFirewalld", ""},
	{"SELinux prevents libvirt from running hooks: guests are registered by libvirt's events instead, just after they start", []string{"setsebool -P %s on", "restorecon -R /etc/libvirt/hooks"}, "", "needs a kernel with SELinux"},
	{"AppArmor enforces a profile for dnsmasq without a rule for %s: dnsmasq cannot use its files there", []string{"%s >> %s", "apparmor_parser --replace %s", restart}, "", "needs a kernel with AppArmor"},
	{"AppArmor enforces a profile for dnsmasq without a rule for %s: dnsmasq cannot use its files there", []string{"%s >> %s", "apparmor_parser --replace %s"}, "", "needs a kernel with AppArmor"},

	// The hook.
	{"the hook %s does not report guests that stop, and this host follows no events of libvirt (uri = off): other hosts do not learn that a migration from here has ended",
		[]string{install}, "", "needs several hosts with etcd; TestInstallKeepsWhatWasChanged of internal/install replaces the file of an earlier version"},
	{noHook, []string{install, resettle}, "TestRemediesOnHost", ""},
	{noHook, []string{install, relaunch}, "", "the commands of the other rows of the same finding, one by one"},
	{notExec, []string{"chmod 755 %s", resettle}, "TestRemediesOnHost", ""},
	{notExec, []string{"chmod 755 %s", relaunch}, "TestDoctorAndLibvirt", ""},
	{oldHook, []string{resettle}, "TestRemediesOnHost", ""},
	{oldHook, []string{relaunch}, "TestDoctorAndLibvirt", ""},

	// Guests.
	{"the domain %q is refused: %s", nil, "TestDoctorAndLibvirt", ""},
	{"the domain %q %s, and not on the served network %q", []string{"virsh attach-interface %s network %s --model virtio --config"}, "TestDoctorAndLibvirt", ""},
	{"the guest %q has no network: its tap %s is on no bridge, and should be on %s", []string{attach}, "TestDoctorTaps", ""},
	{"the guest %q is on another network: its tap %s is on %s, and should be on %s", []string{attach}, "TestDoctorTaps", ""},
	{"the guest %q has devices without a driver in the kernels of many cloud images: %s", nil, "", "there is advice only: its owner edits the definition"},
	{"the guest %q: %s; cloud-init finds no datasource unless its image configures one", []string{smbios}, "TestDoctorAndLibvirt", ""},
	{tokens, []string{reload}, "TestDoctorDatasources", ""},
	{tokens, nil, "TestDoctorDatasources", ""},
	{noTokens, []string{reload}, "TestDoctorDatasources", ""},
	{noTokens, nil, "TestDoctorDatasources", ""},
	{"the guest %q detects %s, but %s", []string{smbios}, "TestDoctorDatasources", ""},
	{"the guest %q detects %s, but %s", nil, "TestDoctorDatasources", ""},
	{"this host does not resolve names of guests in %s, the domain of the network %q", []string{"resolvectl dns %s %s", "resolvectl domain %s %s"}, "TestRemediesOnHost", ""},
	{"on the network %q, the guests %q and %q are both %s in DNS", []string{"virsh domrename %s %s"}, "TestDoctorNames", ""},

	// Port security.
	{"the metadata addresses of this host leak at %s, an uplink of %s: without port security, guests of other hosts may get answers from this one", []string{reload}, "", uplinks},
	{"the metadata addresses of this host leak at %s, an uplink of %s: port security is on, but the kernel has no rule for that port", []string{restart}, "", uplinks},
	{"%s behind %s, an uplink of %s, answers for %s: guests here may get its metadata", []string{reload, restart}, "", uplinks},
	{"%s behind %s, an uplink of %s, answers for %s; port security protects the guests here, but not those of every host", nil, "", uplinks},
	{"the spanning tree of the bridge %s delays a new guest's packets for %s", []string{"ip link set %s type bridge stp_state 0"}, "TestDoctorPorts", ""},
	{"a guest behind %s leads the spanning tree of the bridge %s, and can delay the packets of new guests", []string{"ip link set %s type bridge stp_state 0"}, "", "the guests of the laboratory have no taps; the command is that of the row above"},
	{"the bridge %s has taps of no known guest: %d; there, mdserver only prevents posing as others", nil, "TestDoctorPorts", ""},
	{"frames from %s were dropped: %s", nil, "TestDoctorPorts", ""},
	{"frames from the guest %q at %s were dropped: %s", nil, "TestDoctorPorts", ""},
	{"port security of the network %q is not enforced: %s", nil, "", "needs a kernel that refuses the rules; there is advice only"},
	{"libvirt cannot be reached, so the ports of these guests are not known: %s", nil, "TestDoctorPorts", ""},
}

// Looks are commands that advice names. They change nothing, or lead to an
// editor.
var Looks = []string{
	"ip route get %s", "ls -ld %s", "mdserver config check %s", "mdserver explain %s", "mdserver instance ls", "mdserver status",
	"virsh edit %s", "virsh list", "virsh net-edit %s",
}
