// Package dnsmasq makes guests known to dnsmasq, which gives them their
// addresses by DHCP and serves their names by DNS, and looks after dnsmasq
// itself.
//
// # Files
//
// Everything lies below base_dir, so that
//
//	dnsmasq --conf-file=<base_dir>/mds.conf --keep-in-foreground
//
// works without mdserver:
//
//	mds.conf             the configuration, read at start only
//	mds.opts             DHCP options, read at SIGHUP
//	dhcp/mds.dhcp-hosts  all guests, read at SIGHUP
//	dns/mds.dns-hosts    all guests, read at SIGHUP
//	dhcp.d/, dns.d/      guests that came since, read at once
//	tmp/                 files on their way into the others
//
// dnsmasq reads them as a user of its own, and owns none of them. Package
// content decides what they say, and package files writes them.
//
// # How a change becomes live
//
// New guests are written as one small file into each watched directory, DHCP
// first. dnsmasq takes file events in order and in one thread, so once DNS
// knows what the second file says, DHCP serves the first.
//
// Any other change rewrites the compact files, empties the watched directories and
// sends SIGHUP: of a DHCP host that is changed or removed in a watched directory
// dnsmasq keeps the old state. During the reload it answers no requests, and DHCP
// is done before the first answer.
//
// Both ways end with a marker, an AAAA record in mdserver.invalid whose
// address is a digest of what was written. When dnsmasq answers with it, the
// change is live. Package probe asks for it.
//
// A dnsmasq that was started with another configuration, such as the Python
// mdserver's, knows nothing of the watched directories. It is recognised by a
// TXT record that it lacks, and served by compact files and SIGHUP alone.
//
// # How dnsmasq is looked after
//
// Package process runs dnsmasq, and starts it again when it ends. Every two seconds CatchUp compares the
// files with what they should hold, and asks dnsmasq for their markers and for
// the names of some guests; care decides what is done about the answers.
package dnsmasq
