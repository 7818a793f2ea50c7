package doctor

import (
	"context"
	"os"
	"regexp"
	"strconv"
)

// oldest is the least dnsmasq: from 2.89 on, what leaves a watched hosts
// directory leaves DNS.
var oldest = [2]int{2, 89}

var versionText = regexp.MustCompile(`Dnsmasq version (\d+)\.(\d+)`)

func checkDnsmasq(ctx context.Context, h *Host) []Finding {
	if h.Config.Dnsmasq.Run == "off" {
		return []Finding{fine("dnsmasq is off: others serve DHCP and DNS")}
	}
	program := h.Config.Dnsmasq.Binary
	if _, err := os.Stat(program); err != nil {
		return []Finding{wrong("there is no dnsmasq at %s (%v)", program, err).mend("apt-get install dnsmasq-base")}
	}
	all := checkVersion(ctx, program)
	if h.running() {
		all = append(all, h.checkServing()...)
	}
	return unless(all, fine("%s can be used", program))
}

func checkVersion(ctx context.Context, program string) []Finding {
	text, err := run(ctx, program, "--version")
	if err != nil {
		return []Finding{wrong("dnsmasq does not run: %v", err).mend("apt-get install --reinstall dnsmasq-base")}
	}
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return []Finding{unknown("%s does not tell its version", program)}
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		return []Finding{wrong("%s is version %s.%s, needed is %d.%d or later", program, m[1], m[2], oldest[0], oldest[1]).
			mend("apt-get install dnsmasq-base")}
	}
	return nil
}

// checkServing tells what the server knows of its dnsmasq.
func (h *Host) checkServing() []Finding {
	st := h.status.Dnsmasq
	switch {
	case st.LastError != "":
		return []Finding{wrong("the server says: %s", st.LastError).mend("mdserver status", "journalctl -u "+unit+" -n 20")}
	case st.PID == 0 && h.Config.Dnsmasq.Run == "external":
		return []Finding{wrong("no dnsmasq runs with the server's files").mend("systemctl enable --now mdserver-dnsmasq.service")}
	case st.PID == 0:
		return []Finding{wrong("the server's dnsmasq does not run").mend("systemctl restart " + unit)}
	}
	return nil
}
