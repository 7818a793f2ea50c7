package exporter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
)

// Sources are what monitoring programs are shown.
type Sources struct {
	Metrics http.Handler
	// Ready says why guests are not served; nil: they are.
	Ready func() error
	// Guests lists all guests.
	Guests func() []api.Guest
}

// Handler serves
//
//	/metrics  the metrics
//	/healthz  200 as long as the server runs
//	/readyz   200 as long as guests are served, else 503
//	/sd       the guests as targets for Prometheus, see Targets
func Handler(s Sources) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", s.Metrics)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { httpcommon.Text(w, "ok\n") })
	mux.HandleFunc("/readyz", s.ready)
	mux.HandleFunc("/sd", s.targets)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if httpcommon.OnlyReads(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

func (s Sources) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.Ready(); err != nil {
		httpcommon.Refuse(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	httpcommon.Text(w, "ok\n")
}

// defaultPort is the one of Prometheus' node exporter.
const defaultPort = 9100

func (s Sources) targets(w http.ResponseWriter, r *http.Request) {
	port := defaultPort
	if text := r.URL.Query().Get("port"); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			httpcommon.Refuse(w, http.StatusBadRequest, fmt.Sprintf("port %q is not a port, accepted: a whole number from 1 to 65535\n", text))
			return
		}
		port = int(n)
	}
	body, err := json.Marshal(Targets(s.Guests(), port))
	if err != nil {
		httpcommon.Refuse(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	httpcommon.Bytes(w, "application/json", body)
}
