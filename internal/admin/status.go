package admin

import (
	"time"

	"mdserver/internal/admission"
	"mdserver/internal/dnsmasq"
)

// Status is the state of a running server, for `mdserver status`.
type Status struct {
	Version   string           `json:"version"`
	PID       int              `json:"pid"`
	Started   time.Time        `json:"started"`
	Config    string           `json:"config"`
	Listen    string           `json:"listen"`
	Network   string           `json:"network"`
	Guests    int              `json:"guests"`
	Addresses Addresses        `json:"addresses"`
	IMDS      IMDS             `json:"imds"`
	Refused   admission.Counts `json:"refused"`
	Dnsmasq   dnsmasq.Status   `json:"dnsmasq"`
}

// IMDS tells how guests read the EC2 tree since the server started.
type IMDS struct {
	Mode         string `json:"mode"`          // of guests that do not say otherwise
	Tokens       uint64 `json:"tokens"`        // issued
	WithoutToken uint64 `json:"without_token"` // requests that showed none
	Refused      uint64 `json:"refused"`       // requests refused for want of a good one
}

// Addresses counts the IPv4 addresses of the network.
type Addresses struct {
	Used    int `json:"used"`
	Resting int `json:"resting"`
}
