//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"mdserver/test/lab"
	"mdserver/test/remedies"
)

// What doctor says of port security, on a bridge with guests that are enforced.
func TestDoctorPorts(t *testing.T) {
	t.Parallel()
	r := remedies.Covers(t)
	s := newSecured(t, "")
	p := &patient{Lab: s.Lab, t: t, remedies: r, server: s.server, file: s.server.ConfigFile}
	p.lacks("port security", "the bridge")

	t.Log("spanning tree")
	p.do("ip link set br-mds type bridge stp_state 1 forward_delay 1500")
	p.mend(p.sees("port security", "spanning tree"))
	p.gone("port security", "spanning tree")

	t.Log("a tap of no guest")
	p.do("ip tuntap add dev stranger mode tap && ip link set stranger master br-mds up")
	p.mend(p.sees("port security", "taps of no known guest: 1"))
	const spoof = "import fcntl,os,struct,time\nt=os.open('/dev/net/tun',os.O_RDWR)\n" + // TUNSETIFF; IFF_TAP and IFF_NO_PI
		"fcntl.ioctl(t,0x400454ca,struct.pack('16sH22x',b'stranger',0x1002))\ntime.sleep(1)\nos.write(t,bytes.fromhex('ffffffffffff%s08060001080006040001%s%s000000000000%s'))\ntime.sleep(1)"
	mac, addr := strings.ReplaceAll(s.other.MAC, ":", ""), fmt.Sprintf("%x", s.other.IPv4.AsSlice())
	if out, err := p.Host.Command(suite.ctx, "python3", "-c", fmt.Sprintf(spoof, mac, mac, addr, addr)).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	p.mend(p.sees("port security", "frames from stranger were dropped"))

	t.Log("frames that are dropped")
	foreign := s.ip4(s.other.IPv4.String(), layers.IPProtocolUDP, lab.UDP(40000, 40000, []byte("data")))
	if err := s.from.Send(foreign); err != nil {
		t.Fatal(err)
	}
	p.mend(p.sees("port security", `the guest "web1" at `))

	t.Log("a guest whose port is not known while libvirt is away")
	s.register("web2", "", "")
	p.mend(p.sees("port security", "the ports of these guests are not known: web2"))
}
