package admin

import (
	"time"

	"mdserver/internal/dnsmasq"
)

// Status is the state of a running server, for `mdserver status`.
type Status struct {
	Version   string         `json:"version"`
	PID       int            `json:"pid"`
	Started   time.Time      `json:"started"`
	Config    string         `json:"config"`
	Listen    string         `json:"listen"`
	Network   string         `json:"network"`
	Guests    int            `json:"guests"`
	Addresses Addresses      `json:"addresses"`
	Dnsmasq   dnsmasq.Status `json:"dnsmasq"`
}

// Addresses counts the IPv4 addresses of the network.
type Addresses struct {
	Used    int `json:"used"`
	Resting int `json:"resting"`
}
