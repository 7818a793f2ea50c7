// Package metrics counts what the server does, and shows that and the server's
// state in the format of Prometheus.
//
// Every label has a fixed set of values, or names a network of the configuration:
// no request makes a new series.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
)

// namespace begins the name of each metric.
const namespace = "mdserver"

const (
	// maxScrapes is how many scrapes are answered at a time.
	maxScrapes = 4
	// scrapeTime bounds one scrape. Prometheus waits ten seconds by default.
	scrapeTime = 8 * time.Second
)

// Sources are asked for the server's state at each scrape.
type Sources struct {
	Status func() api.Status
	// Guests counts the guests by the state of their domains.
	Guests func() map[api.State]int
	// Boots counts the guests by how their last boots went, or go.
	Boots func() map[api.BootState]int
}

// Metrics are all metrics of one server. Make them with New. The methods that
// record something are safe for concurrent use and never wait.
type Metrics struct {
	registry *prometheus.Registry

	requests   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	renders    *prometheus.CounterVec
	renderTime *prometheus.HistogramVec
	dhcp       *prometheus.CounterVec
	bootPhases *prometheus.HistogramVec
}

// New makes metrics that begin at zero.
func New(sources Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("http_requests_total",
			"Requests to the metadata server.", "frontend", "code", "client"),
		latency: histogram("http_request_duration_seconds",
			"Time to answer a request to the metadata server.", latencyBuckets, "frontend"),
		renders: counter("renders_total",
			"Rendered user-data and vendor-data. A result that is still valid is not rendered again.", "document", "result"),
		renderTime: histogram("render_duration_seconds",
			"Time to render user-data or vendor-data.", renderBuckets, "document"),
		dhcp: counter("dhcp_messages_total",
			"DHCPv4 messages between guests and the dnsmasq that mdserver runs. DHCPACK grants or renews a lease.", "network", "message"),
		bootPhases: histogram("boot_phase_duration_seconds",
			"Duration of the phases of guests' boots.", bootBuckets, "phase"),
	}
	m.registry.MustRegister(m.requests, m.latency, m.renders, m.renderTime, m.dhcp, m.bootPhases,
		stateCollector{sources},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.beginFailures()
	for _, phase := range api.BootPhases() {
		m.bootPhases.WithLabelValues(string(phase))
	}
	return m
}

// beginFailures sets all failures to zero: the first increase of a new series is
// not visible, so the first failure would cause no alert.
func (m *Metrics) beginFailures() {
	for _, frontend := range allFrontends() {
		for _, client := range allFamilies() {
			m.requests.WithLabelValues(frontend, statusClass(http.StatusInternalServerError), client)
		}
	}
	for _, document := range documents {
		m.renders.WithLabelValues(document, renderFailed)
	}
}

var (
	latencyBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
	renderBuckets  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	bootBuckets    = []float64{.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600}
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}, labels)
}

// Handler shows all metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		// A state that cannot be shown does not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTime,
	})
}

// Request counts an answered request.
func (m *Metrics) Request(r *http.Request, a httpcommon.Answer) {
	frontend := Frontend(r.URL.Path)
	m.requests.WithLabelValues(frontend, statusClass(a.Status), clientFamily(r.UserAgent())).Inc()
	m.latency.WithLabelValues(frontend).Observe(a.Duration.Seconds())
}

// Render counts a render of user-data or vendor-data that succeeded, or failed
// with err.
func (m *Metrics) Render(document string, took time.Duration, err error) {
	result := renderOK
	if err != nil {
		result = renderFailed
	}
	m.renders.WithLabelValues(document, result).Inc()
	m.renderTime.WithLabelValues(document).Observe(took.Seconds())
}

// DHCP counts a DHCPv4 message between a guest and the DHCP server of a network.
func (m *Metrics) DHCP(network, message string) {
	m.dhcp.WithLabelValues(network, dhcpMessage(message)).Inc()
}

// BootPhase records how long a phase of a guest's boot took.
func (m *Metrics) BootPhase(phase api.BootPhase, took time.Duration) {
	m.bootPhases.WithLabelValues(string(phase)).Observe(took.Seconds())
}
