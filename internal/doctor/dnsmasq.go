package doctor

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strconv"

	"mdserver/internal/dnsmasq"
	"mdserver/internal/health"
)

// oldest is the least dnsmasq: from 2.89 on, what leaves a watched hosts
// directory leaves DNS.
var oldest = [2]int{2, 89}

var versionText = regexp.MustCompile(`Dnsmasq version (\d+)\.(\d+)`)

func checkDnsmasq(ctx context.Context, h *Host) []Finding {
	if !slices.ContainsFunc(h.Networks, Network.ownDnsmasq) {
		return []Finding{fine("dnsmasq is off: other programs serve DHCP and DNS")}
	}
	program := h.Config.Dnsmasq.Binary
	if _, err := os.Stat(program); err != nil {
		return []Finding{h.installDnsmasq(ctx, wrong("dnsmasq_missing", "there is no dnsmasq at %s (%v)", program, err))}
	}
	all := checkVersion(ctx, program)
	if h.running() {
		all = append(all, h.checkServing(ctx)...)
	}
	return unless(all, fine("%s can be used", program))
}

// stockDnsmasq is where distributions have the program.
const stockDnsmasq = "/usr/sbin/dnsmasq"

// installDnsmasq adds how the program comes to be where the configuration says.
func (h *Host) installDnsmasq(ctx context.Context, f Finding) Finding {
	if h.Config.Dnsmasq.Binary != stockDnsmasq {
		return f.change(ctx, h, "dnsmasq", "binary", stockDnsmasq)
	}
	return f.mend("apt-get install dnsmasq-base")
}

func checkVersion(ctx context.Context, program string) []Finding {
	text, err := run(ctx, program, "--version")
	if err != nil {
		return []Finding{wrong("dnsmasq_broken", "dnsmasq does not run: %v", err).mend("apt-get install --reinstall dnsmasq-base")}
	}
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return []Finding{unknown("%s does not print its version", program)}
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		return []Finding{wrong("dnsmasq_too_old", "%s is version %s.%s, but %d.%d or later is required", program, m[1], m[2], oldest[0], oldest[1]).
			mend("apt-get install dnsmasq-base")}
	}
	return nil
}

// checkServing tells what the server knows of its dnsmasq.
func (h *Host) checkServing(ctx context.Context) []Finding {
	var all []Finding
	for _, trouble := range h.status.Trouble() {
		f := wrong("server_trouble", "the server reports: %s", trouble)
		if trouble.State == health.Warning {
			f.State = Warning
		}
		if len(trouble.Look) == 0 {
			f = f.advise("see `%s` and `journalctl -u %s -n 20`", h.mdserver("status"), unit)
		}
		for _, look := range trouble.Look {
			f = f.advise("see `%s`", look)
		}
		all = append(all, f)
	}
	for _, n := range h.status.Networks {
		switch st := n.Dnsmasq; {
		case st == nil || st.Mode == dnsmasq.Off || st.PID != 0 || n.Trouble != "":
		case st.Mode == dnsmasq.External:
			all = append(all, wrong("dnsmasq_external_not_running", "no dnsmasq runs with the server's files for the network %q", n.Name).
				mend("systemctl enable --now mdserver-dnsmasq.service"))
		default:
			all = append(all, h.restart(ctx, wrong("dnsmasq_not_running", "the server's dnsmasq for the network %q does not run", n.Name)))
		}
	}
	return all
}
