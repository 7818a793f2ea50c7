package report

import (
	_ "embed"
	"net/netip"
	"strconv"
	"strings"

	"mdserver/internal/userdata/multipart"
)

// webhook has cloud-init report its stages and modules. What other parts set stays:
// merge_how says how this part is merged into those before it, and there is no list to
// be merged with a user's (cloudinit/handlers/cloud_config.py).
//
// The timeout is short and nothing is tried again: at the end of each stage cloud-init
// waits until all reports are sent or three have failed, and it waits a second before
// each further try (cloudinit/reporting/handlers.py, process_requests). So three stages
// wait for nine timeouts at most, less than a second. The server answers from memory.
// cloud-init's module phone_home waits longer, without a timeout, so the agent does its
// work.
const webhook = `#cloud-config
merge_how: dict(no_replace)+list(no_replace)+str()
reporting:
  mdserver:
    type: webhook
    endpoint: @URL@/mdserver/report
    timeout: 0.1
    retries: 0
`

// boothook runs in each boot, and starts the agent.
//
//go:embed boothook.sh
var boothook string

// agent reports the host keys and how the boot ended.
//
//go:embed agent.py
var agent string

// Parts are the parts of user-data or vendor-data that make cloud-init report to a
// server at this address. They come behind all others.
func Parts(server netip.AddrPort) []multipart.Part {
	host := server.Addr().String()
	port := strconv.Itoa(int(server.Port()))
	fill := strings.NewReplacer("@URL@", baseURL(server), "@HOST@", host, "@PORT@", port)
	return []multipart.Part{
		{Name: "mdserver-reporting", Body: []byte(fill.Replace(webhook))},
		{Name: "mdserver-report", Body: []byte(strings.Replace(boothook, "@AGENT@\n", fill.Replace(agent), 1))},
	}
}

// baseURL is where a server is, without the port that is usual.
func baseURL(server netip.AddrPort) string {
	if server.Port() != 80 {
		return "http://" + server.String()
	}
	if server.Addr().Is6() {
		return "http://[" + server.Addr().String() + "]"
	}
	return "http://" + server.Addr().String()
}
