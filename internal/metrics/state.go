package metrics

import (
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"mdserver/internal/api"
)

// stateCollector shows the server's state as of the scrape: what `mdserver
// status` shows.
type stateCollector struct{ sources Sources }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// The descriptions of all metrics of the state.
var (
	buildInfo = desc("build_info", "Version of the server; the value is always 1.", "version", "goversion")
	health    = desc("health", "Whether a part of the server is in a state: ok, warning or wrong.", "part", "state")

	guests     = desc("guests", "Guests, by the state of their domains.", "state")
	boots      = desc("guest_boots", "Guests, by how their last boots went, or go.", "state")
	notServed  = desc("domains_not_served", "Domains that are not guests: refused because of an error, or unserved because none of their networks is served.", "state")
	resting    = desc("addresses_resting", "Addresses of released guests that are in quarantine.")
	refused    = desc("refused_total", "Connections and requests that were refused.", "reason")
	tokens     = desc("imds_tokens_issued_total", "IMDSv2 tokens that were issued.")
	tokenless  = desc("imds_requests_without_token_total", "Requests for metadata without an IMDSv2 token.")
	libvirtUp  = desc("libvirt_connected", "Whether the server is connected to libvirt. There is no such metric if libvirt is not followed.")
	libvirtEvs = desc("libvirt_events_total", "Events that libvirt has sent.")

	networkGuests = desc("network_guests", "Guests on a network.", "network")
	networkUsed   = desc("network_addresses_used", "IPv4 addresses of a network that guests have.", "network")
	networkFree   = desc("network_addresses_free", "IPv4 addresses of a network for further guests, including those in quarantine.", "network")
	networkOK     = desc("network_up", "Whether DHCP and DNS of a network work.", "network")

	dnsmasqUp       = desc("dnsmasq_running", "Whether the dnsmasq of a network runs.", "network")
	dnsmasqLive     = desc("dnsmasq_synced", "Whether dnsmasq has confirmed the last change of the guests.", "network")
	dnsmasqRestarts = desc("dnsmasq_restarts_total", "Restarts of the dnsmasq of a network.", "network")
	dnsmasqReplaced = desc("dnsmasq_replaced_total", "How often dnsmasq did not answer and was killed.", "network")
	dnsmasqRepairs  = desc("dnsmasq_repairs_total", "How often the files or answers of dnsmasq were wrong and were repaired.", "network")

	storeUp        = desc("store_connected", "Whether the inventory in etcd is followed. There are no metrics of the store without etcd.")
	storeRevision  = desc("store_revision", "Revision of etcd that this host knows the inventory of.")
	storeStaleness = desc("store_staleness_seconds", "Time since etcd last answered and this host knew all of the inventory.")
	storeMembers   = desc("store_members", "Members of the etcd cluster, as configured.")
	storeUsable    = desc("store_members_usable", "Members of the etcd cluster that answer and know a leader.")
	storeSpares    = desc("store_spare_addresses", "Addresses that this host has claimed for guests that start while etcd does not answer.", "network", "family")
	storeUnshared  = desc("store_unshared_guests", "Guests that were registered or changed while etcd did not answer, and that other hosts do not know yet.")
	storeConflicts = desc("store_conflicts_total", "Batches of changes that were worked out again, because another host had changed the same.")
	storeDrained   = desc("store_host_drained", "Whether this host is drained.")

	libvirtNetwork = desc("libvirt_network_active", "Whether libvirt runs a network.", "network")

	secured = desc("port_security_ports", "Ports of bridges with port security: guest, off (disabled for the guest) or stranger.", "network", "kind")
	dropped = desc("port_security_dropped_frames_total", "Frames that port security dropped.", "network", "kind")
)

// Describe implements prometheus.Collector. It names nothing: which metrics there
// are depends on the configuration.
func (c stateCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.sources.Status()
	out := output(ch)
	out.gauge(buildInfo, 1, s.Version, runtime.Version())
	for _, part := range s.Health {
		for _, state := range []api.Condition{api.OK, api.Warning, api.Wrong} {
			out.flag(health, part.State == state, part.Name, string(state))
		}
	}
	counts := c.sources.Guests()
	for _, state := range []api.State{api.Running, api.Off, api.Away, api.Gone, api.Unknown} {
		out.gauge(guests, counts[state], string(state))
	}
	verdicts := c.sources.Boots()
	for _, state := range []api.BootState{api.Booting, api.Ready, api.Degraded, api.Failed, api.Stuck, api.BootOff, api.BootUnknown} {
		out.gauge(boots, verdicts[state], string(state))
	}
	out.gauge(notServed, s.NotServed.Refused, string(api.Refused))
	out.gauge(notServed, s.NotServed.Unserved, string(api.Unserved))
	out.gauge(resting, s.Addresses.Resting)
	out.refusals(s)
	out.counter(tokens, s.IMDS.Tokens)
	out.counter(tokenless, s.IMDS.WithoutToken)
	if s.Libvirt.URI != "off" {
		out.flag(libvirtUp, s.Libvirt.Connected)
		out.counter(libvirtEvs, s.Libvirt.Events)
	}
	for _, n := range s.Networks {
		out.network(n)
	}
	if s.Store != nil {
		out.store(*s.Store)
	}
}

// output is where a collector sends its metrics.
type output chan<- prometheus.Metric

func (out output) refusals(s api.Status) {
	for reason, n := range map[string]uint64{
		"connections": s.Refused.Connections,
		"rate":        s.Refused.Requests,
		"interface":   s.Refused.Interface,
		"mac":         s.Refused.MAC,
		"port":        s.Refused.Port,
		"unknown":     s.Refused.Unknown,
		"changed":     s.Refused.Closed,
		"token":       s.IMDS.Refused,
	} {
		out.counter(refused, n, reason)
	}
}

func (out output) network(n api.Network) {
	out.gauge(networkGuests, n.Guests, n.Name)
	out.gauge(networkUsed, n.Used, n.Name)
	out.gauge(networkFree, n.Free, n.Name)
	out.flag(networkOK, n.Trouble == "", n.Name)
	if d := n.Dnsmasq; d != nil && d.Mode != api.DnsmasqOff {
		out.flag(dnsmasqUp, d.PID != 0, n.Name)
		out.flag(dnsmasqLive, d.Live, n.Name)
		out.counter(dnsmasqRestarts, uint64(d.Restarts), n.Name)
		out.counter(dnsmasqReplaced, uint64(d.Replaced), n.Name)
		out.counter(dnsmasqRepairs, uint64(d.Repairs), n.Name)
	}
	if n.Libvirt != nil {
		out.flag(libvirtNetwork, n.Libvirt.Active, n.Name)
	}
	if n.PortSecurity.On {
		out.gauge(secured, n.PortSecurity.Guests, n.Name, "guest")
		out.gauge(secured, n.PortSecurity.Off, n.Name, "off")
		out.gauge(secured, n.PortSecurity.Strangers, n.Name, "stranger")
		for kind, frames := range n.PortSecurity.Dropped {
			out.counter(dropped, frames, n.Name, kind)
		}
	}
}

func (out output) store(s api.Store) {
	out.flag(storeUp, s.Connected)
	out.gauge(storeRevision, int(s.Revision))
	out.send(storeStaleness, prometheus.GaugeValue, s.Staleness, nil)
	out.gauge(storeMembers, s.Members)
	out.gauge(storeUsable, s.Usable)
	for _, spare := range s.Spares {
		out.gauge(storeSpares, spare.Addresses, spare.Network, spare.Family)
	}
	out.gauge(storeUnshared, s.Unshared)
	out.counter(storeConflicts, s.Conflicts)
	out.flag(storeDrained, !s.Drained.IsZero())
}

func (out output) gauge(d *prometheus.Desc, value int, labels ...string) {
	out.send(d, prometheus.GaugeValue, float64(value), labels)
}

func (out output) flag(d *prometheus.Desc, set bool, labels ...string) {
	value := 0
	if set {
		value = 1
	}
	out.gauge(d, value, labels...)
}

func (out output) counter(d *prometheus.Desc, value uint64, labels ...string) {
	out.send(d, prometheus.CounterValue, float64(value), labels)
}

// send makes an error of a metric that cannot be shown.
func (out output) send(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels []string) {
	for i, label := range labels {
		labels[i] = strings.ToValidUTF8(label, "\uFFFD")
	}
	metric, err := prometheus.NewConstMetric(d, kind, value, labels...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(d, err)
	}
	out <- metric
}
