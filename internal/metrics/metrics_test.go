package metrics

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"mdserver/internal/api"
	"mdserver/internal/caller"
	"mdserver/internal/httpcommon"
)

// status is one of a server with all kinds of networks and troubles.
func status() api.Status {
	return api.Status{
		Version:   "1.2.3",
		NotServed: api.NotServed{Refused: 1, Unserved: 2},
		Addresses: api.Addresses{Used: 3, Resting: 4},
		IMDS:      api.IMDS{Tokens: 5, WithoutToken: 6, Refused: 7},
		Refused:   api.Counts{Connections: 8, Requests: 9, Interface: 10, MAC: 11, Port: 12, Unknown: 13, Closed: 14},
		Libvirt:   api.Libvirt{URI: "qemu:///system", LibvirtSync: api.LibvirtSync{Connected: true, Events: 15}},
		Health: []api.Part{
			{Name: "database", State: api.OK},
			{Name: "libvirt", State: api.Wrong},
		},
		Store: &api.Store{Connected: true, Revision: 16, Staleness: 0.5, Members: 3, Usable: 2, Unshared: 17, Conflicts: 18, Drained: time.Unix(1, 0),
			Spares: []api.SpareAddresses{{Network: "mds", Family: "ipv4", Addresses: 4}, {Network: "mds", Family: "ipv6"}}},
		Networks: []api.Network{
			{
				Name: "mds", Guests: 2, Used: 3, Free: 250,
				Dnsmasq: &api.Dnsmasq{Mode: api.DnsmasqChild, PID: 4711, Live: true, Restarts: 1, Replaced: 2, Repairs: 3},
				PortSecurity: api.PortSecurity{
					On: true, Guests: 2, Off: 1, Strangers: 3, Dropped: api.Drops{"mac": 20},
				},
			},
			{Name: "default", Trouble: "libvirt does not run the network", Libvirt: &api.LibvirtNetwork{}},
		},
	}
}

func sources() Sources {
	return Sources{
		Status: status,
		Guests: func() map[api.State]int { return map[api.State]int{api.Running: 2, api.Off: 1} },
		Boots:  func() map[api.BootState]int { return map[api.BootState]int{api.Ready: 2, api.Stuck: 1} },
	}
}

// scrape returns what a scrape shows.
func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func request(m *Metrics, path, agent string, status int) {
	r := &http.Request{Method: http.MethodGet, URL: httptest.NewRequest(http.MethodGet, "/", nil).URL, Header: http.Header{}}
	r.URL.Path = path
	r.Header.Set("User-Agent", agent)
	m.Request(r, httpcommon.Answer{Status: status, Duration: 3 * time.Millisecond})
}

func TestRecorded(t *testing.T) {
	m := New(sources())
	request(m, "/latest/meta-data/", "Cloud-Init/22.4.2", 200)
	request(m, "/latest/meta-data/", "Cloud-Init/26.2", 200)
	request(m, "/openstack/latest/user_data", "", 404)
	request(m, "/nocloud", "Wget", 503)
	request(m, "/service/name", "a browser", 200)
	request(m, "/instance-upload", "curl/7.88.1", 200)
	m.Render("user-data", 20*time.Millisecond, nil)
	for range 2 {
		m.Render("user-data", 20*time.Millisecond, errors.New("no such variable"))
	}
	m.DHCP("mds", "DHCPACK")
	m.DHCP("mds", "DHCPFORGED")
	m.BootPhase(api.WholeBoot, 25*time.Second)
	text := scrape(t, m)
	for _, want := range []string{
		`mdserver_http_requests_total{client="cloud-init",code="2xx",frontend="ec2"} 2`,
		`mdserver_http_requests_total{client="none",code="4xx",frontend="openstack"} 1`,
		`mdserver_http_requests_total{client="wget",code="5xx",frontend="nocloud"} 1`,
		`mdserver_http_requests_total{client="other",code="2xx",frontend="service"} 1`,
		`mdserver_http_requests_total{client="curl",code="2xx",frontend="upload"} 1`,
		`mdserver_http_request_duration_seconds_bucket{frontend="ec2",le="0.0025"} 0`,
		`mdserver_http_request_duration_seconds_bucket{frontend="ec2",le="0.005"} 2`,
		`mdserver_renders_total{document="user-data",result="failed"} 2`,
		`mdserver_renders_total{document="user-data",result="ok"} 1`,
		`mdserver_render_duration_seconds_count{document="user-data"} 3`,
		`mdserver_dhcp_messages_total{message="DHCPACK",network="mds"} 1`,
		`mdserver_dhcp_messages_total{message="other",network="mds"} 1`,
		`mdserver_boot_phase_duration_seconds_bucket{phase="boot",le="20"} 0`,
		`mdserver_boot_phase_duration_seconds_bucket{phase="boot",le="30"} 1`,
		`mdserver_boot_phase_duration_seconds_sum{phase="boot"} 25`,
		`mdserver_boot_phase_duration_seconds_count{phase="lease"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
}

func TestState(t *testing.T) {
	text := scrape(t, New(sources()))
	for _, want := range []string{
		`mdserver_health{part="database",state="ok"} 1`,
		`mdserver_health{part="libvirt",state="ok"} 0`,
		`mdserver_health{part="libvirt",state="wrong"} 1`,
		`mdserver_guests{state="running"} 2`,
		`mdserver_guests{state="gone"} 0`,
		`mdserver_guest_boots{state="ready"} 2`,
		`mdserver_guest_boots{state="failed"} 0`,
		`mdserver_domains_not_served{state="refused"} 1`,
		`mdserver_addresses_resting 4`,
		`mdserver_refused_total{reason="mac"} 11`,
		`mdserver_refused_total{reason="token"} 7`,
		`mdserver_imds_tokens_issued_total 5`,
		`mdserver_libvirt_connected 1`,
		`mdserver_network_addresses_free{network="mds"} 250`,
		`mdserver_network_up{network="mds"} 1`,
		`mdserver_store_connected 1`,
		`mdserver_store_revision 16`,
		`mdserver_store_staleness_seconds 0.5`,
		`mdserver_store_members 3`,
		`mdserver_store_members_usable 2`,
		`mdserver_store_spare_addresses{family="ipv4",network="mds"} 4`,
		`mdserver_store_spare_addresses{family="ipv6",network="mds"} 0`,
		`mdserver_store_unshared_guests 17`,
		`mdserver_store_conflicts_total 18`,
		`mdserver_store_host_drained 1`,
		`mdserver_network_up{network="default"} 0`,
		`mdserver_dnsmasq_running{network="mds"} 1`,
		`mdserver_libvirt_network_active{network="default"} 0`,
		`mdserver_port_security_dropped_frames_total{kind="mac",network="mds"} 20`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
	for _, absent := range []string{`dnsmasq_running{network="default"}`, `port_security_ports{kind="guest",network="default"}`} {
		if strings.Contains(text, absent) {
			t.Errorf("there is a metric %s of a network that has none", absent)
		}
	}
}

// What does not apply has no metric, and what cannot be shown hides nothing.
func TestOddState(t *testing.T) {
	odd := sources()
	odd.Status = func() api.Status {
		return api.Status{
			Libvirt:  api.Libvirt{URI: "off"},
			Networks: []api.Network{{Name: "m\xffds", Free: 3, Dnsmasq: &api.Dnsmasq{Mode: api.DnsmasqOff}}},
		}
	}
	text := scrape(t, New(odd))
	if strings.Contains(text, "libvirt_connected") || strings.Contains(text, "dnsmasq_running") {
		t.Error("there is a metric of what is off")
	}
	if want := "mdserver_network_addresses_free{network=\"m\uFFFDds\"} 3\n"; !strings.Contains(text, want) {
		t.Errorf("there is no line %s", want)
	}
}

// An alert sees the first failure of each kind: it begins at zero.
// A state that cannot be shown, as of two networks of one name, does not hide the others.
func TestStateThatCannotBeShown(t *testing.T) {
	from := sources()
	from.Status = func() api.Status {
		s := status()
		s.Networks = append(s.Networks, s.Networks[0])
		return s
	}
	if text := scrape(t, New(from)); !strings.Contains(text, `mdserver_guests{state="running"} 2`) {
		t.Errorf("the guests are not shown:\n%s", text)
	}
}

// Scrapes that hang are few: further ones are refused at once.
func TestScrapesAreFew(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	from := sources()
	from.Status = func() api.Status {
		entered <- struct{}{}
		<-leave
		return status()
	}
	handler := New(from).Handler()
	get := func() string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	var hanging sync.WaitGroup
	for range maxScrapes {
		hanging.Go(func() { get() })
		<-entered
	}
	if answer := get(); !strings.HasPrefix(answer, "503 Limit of concurrent requests reached") {
		t.Errorf("one more scrape is answered by %s", answer)
	}
	close(leave)
	hanging.Wait()
}

func TestFailuresBeginAtZero(t *testing.T) {
	text := scrape(t, New(sources()))
	for _, want := range []string{
		`mdserver_http_requests_total{client="cloud-init",code="5xx",frontend="openstack"} 0`,
		`mdserver_http_requests_total{client="none",code="5xx",frontend="ec2"} 0`,
		`mdserver_renders_total{document="user-data",result="failed"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
}

// The names follow the rules of Prometheus; promtool has the same ones.
func TestLint(t *testing.T) {
	m := New(sources())
	request(m, "/", "curl/8", 200)
	m.Render("user-data", time.Second, nil)
	m.DHCP("mds", "DHCPACK")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// A guest chooses paths, methods and User-Agents. It cannot fill the memory.
func TestSeriesAreBounded(t *testing.T) {
	m := New(sources())
	before := testutil.CollectAndCount(m.requests)
	for i := range 5000 {
		request(m, fmt.Sprintf("/%d/%x", i, i), fmt.Sprintf("agent-%d\xff\n{}", i), i)
	}
	if got := testutil.CollectAndCount(m.requests) - before; got > 10 {
		t.Errorf("5,000 odd requests make %d series", got)
	}
	if got := testutil.CollectAndCount(m.latency); got != 1 {
		t.Errorf("5,000 odd paths make %d histograms", got)
	}
	scrape(t, m)
}

// BenchmarkRequest compares requests that are recorded with requests that are not.
func BenchmarkRequest(b *testing.B) {
	value := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { httpcommon.Text(w, "i-0123456789abcdef0") })
	m := New(sources())
	for _, bench := range []struct {
		name string
		tell httpcommon.LogFunc
	}{
		{"recorded=no", func(*http.Request, httpcommon.Answer) {}},
		{"recorded=yes", m.Request},
	} {
		server := httptest.NewServer(httpcommon.Identified(func(*http.Request) (c caller.Caller) { return c }, bench.tell, value))
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				resp, err := http.Get(server.URL + "/latest/meta-data/instance-id")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
				_ = resp.Body.Close()
			}
		})
		server.Close()
	}
}

// BenchmarkRecord is what recording alone costs.
func BenchmarkRecord(b *testing.B) {
	m := New(sources())
	r := httptest.NewRequest(http.MethodGet, "/latest/meta-data/instance-id", nil)
	r.Header.Set("User-Agent", "Cloud-Init/22.4.2")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Request(r, httpcommon.Answer{Status: http.StatusOK, Duration: time.Millisecond})
		}
	})
}
