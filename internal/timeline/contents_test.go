package timeline

import (
	"strings"
	"testing"

	"mdserver/internal/instance"
)

// What waits to be written is bounded, and what was written waits no longer.
func TestContents(t *testing.T) {
	var c contents
	long := []byte(strings.Repeat("x", longestContent))
	c.add("a", []byte("a"))
	c.add("a", []byte("not a")) // known
	c.add("long", long)
	c.add("too long", append(long, 'x'))
	if string(c.get("a")) != "a" || len(c.get("long")) != longestContent || c.get("too long") != nil || c.bytes != longestContent+1 {
		t.Errorf("%d bytes, %d contents", c.bytes, len(c.byHash))
	}
	written := c.waiting()
	for i := range 14 { // 15 of 16 MiB, and one byte
		c.add(string(rune('A'+i)), long)
	}
	c.add("fits", long[1:])
	c.add("too much", []byte("x"))
	if c.get("fits") == nil || c.get("too much") != nil || c.bytes != mostContents {
		t.Errorf("%d bytes, %d contents", c.bytes, len(c.byHash))
	}
	c.written(written)
	if c.get("a") != nil || c.get("long") != nil || c.get("fits") == nil || c.bytes != mostContents-longestContent-1 {
		t.Errorf("%d bytes, %d contents after a write", c.bytes, len(c.byHash))
	}
	c.add("too much", []byte("x"))
	if c.get("too much") == nil {
		t.Error("there is no room after a write")
	}
}

// What a caller does with its bytes changes nothing.
func TestContentsAreCopies(t *testing.T) {
	var c contents
	body := []byte("a")
	c.add("a", body)
	body[0] = 'b'
	if got := c.get("a"); string(got) != "a" {
		t.Errorf("%q", got)
	}
}

// The time of a decline stays when the client goes on.
func TestDeclined(t *testing.T) {
	var l DHCPLog
	client, other := DHCPClient{Network: "mds", MAC: instance.MAC{5: 1}}, DHCPClient{Network: "lan", MAC: instance.MAC{5: 1}}
	for i, message := range []string{"DHCPACK", "DHCPDECLINE", "DHCPDISCOVER", "DHCPACK"} {
		l.Note(client, DHCP{Message: message, At: after(float64(i))})
		got := l.Of(client)
		if got.Message != message || (got.Declined != nil) != (i > 0) {
			t.Errorf("after %s: %+v", message, got)
		}
		if i > 0 && !got.Declined.Equal(after(1)) {
			t.Errorf("declined at %v", got.Declined)
		}
	}
	l.Note(other, DHCP{Message: "DHCPACK", At: noon})
	if got := l.Of(other); got.Declined != nil {
		t.Errorf("on another network: %+v", got)
	}
}

// A guest that invents MAC addresses costs no more memory.
func TestDHCPClientsAreBounded(t *testing.T) {
	var l DHCPLog
	client := func(n int) DHCPClient { return DHCPClient{MAC: instance.MAC{byte(n), byte(n >> 8)}} }
	for n := range mostClients {
		l.Note(client(n), DHCP{Message: "DHCPDISCOVER"})
	}
	if l.Of(client(0)) == nil || len(l.last) != mostClients {
		t.Errorf("%d clients", len(l.last))
	}
	l.Note(client(mostClients), DHCP{Message: "DHCPDISCOVER"})
	if l.Of(client(0)) != nil || l.Of(client(mostClients)) == nil || len(l.last) != 1 {
		t.Errorf("%d clients", len(l.last))
	}
}
