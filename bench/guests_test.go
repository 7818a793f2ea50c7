// Package bench measures what a request and an upload cost as the number of
// guests grows: neither lookup nor request may grow with it, an upload hardly.
// A bare net/http handler runs beside them, since absolute figures drift.
//
//	go test -run '^$' -bench . ./bench
package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/admin"
	"mdserver/internal/config"
	"mdserver/internal/frontend/ec2"
	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

var sizes = []int{1, 1_000, 50_000}

var network = netip.MustParsePrefix("10.0.0.0/8")

var quiet = slog.New(slog.DiscardHandler)

func address(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(n+10))
	return netip.AddrFrom4(b)
}

func macOf(n int) instance.MAC {
	mac := instance.MAC{0x52, 0x54}
	binary.BigEndian.PutUint32(mac[2:], uint32(n))
	return mac
}

func idOf(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "guest %d", n)) }

// newInventory is a durable inventory with n guests.
func newInventory(b *testing.B, n int) *inventory.Inventory {
	b.Helper()
	store, err := boltstore.Open(filepath.Join(b.TempDir(), "mdserver.db"), quiet)
	if err != nil {
		b.Fatal(err)
	}
	inv, err := inventory.Open(b.Context(), store, inventory.Options{Networks: []instance.Network{{Name: "mds", IPv4: network}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = inv.Close() })
	guests := make([]instance.Instance, n)
	for i := range guests {
		guests[i] = instance.Instance{
			Name: fmt.Sprintf("guest-%d", i), Hostname: fmt.Sprintf("guest-%d", i), UUID: idOf(i),
			Network: "mds", MAC: macOf(i), IPv4: address(i), FirstSeen: time.Now(), LastUpdate: time.Now(),
		}
	}
	if _, err := inv.Import(b.Context(), guests); err != nil {
		b.Fatal(err)
	}
	return inv
}

type liveGuests struct{ *inventory.Inventory }

func (g liveGuests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	return g.Snapshot().ByAddr(addr)
}

// newServer serves the EC2 tree with a template of two kilobytes.
func newServer(b *testing.B, inv *inventory.Inventory) http.Handler {
	b.Helper()
	dir := b.TempDir()
	template := "#cloud-config\nhostname: {{hostname}}\n" + strings.Repeat("# a line of the site's baseline for {{hostname}}\n", 40)
	conf := "[mdserver]\nuserdata_dir = " + dir + "\ndefault_template = " + dir + "/base.yaml\n"
	for name, text := range map[string]string{"base.yaml": template, "mdserver.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cfg, _, err := config.Load(filepath.Join(dir, "mdserver.conf"))
	if err != nil {
		b.Fatal(err)
	}
	tree := ec2.New([]string{"latest"}, metadata.Site{}, userdata.New(cfg, nil, quiet), nil)
	return httpcommon.Identified(frontendtest.Identify(liveGuests{inv}), httpcommon.LogTo(quiet), httpcommon.Normalise(tree))
}

func request(b *testing.B, h http.Handler, from netip.Addr, path string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = netip.AddrPortFrom(from, 4711).String()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
}

func BenchmarkBareHandler(b *testing.B) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "i-0123456789abcdef0") })
	for b.Loop() {
		request(b, bare, address(0), "/")
	}
}

// BenchmarkRequest asks as many different guests in turn as there are.
func BenchmarkRequest(b *testing.B) {
	for _, path := range []string{"/latest/meta-data/hostname", "/latest/user-data"} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/guests=%d", filepath.Base(path), n), func(b *testing.B) {
				h := newServer(b, newInventory(b, n))
				time.Sleep(150 * time.Millisecond) // until results are kept, see docs/explanation/architecture.md
				for i := 0; b.Loop(); i++ {
					request(b, h, address(i%min(n, 1000)), path)
				}
			})
		}
	}
}

// BenchmarkUpload registers new guests, durably, without dnsmasq.
func BenchmarkUpload(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("guests=%d", n), func(b *testing.B) {
			backend := admin.Backend{
				Inventory: newInventory(b, n), Log: quiet, Intake: admin.NewIntake(),
				Refresh:  func(context.Context) {},
				Publish:  func(context.Context) error { return nil },
				Complete: func(_ context.Context, d instance.Domain) instance.Domain { return d },
			}
			for i := n; b.Loop(); i++ {
				xml := fmt.Sprintf("<domain><name>guest-%d</name><uuid>%s</uuid><devices><interface type='network'>"+
					"<mac address='%s'/><source network='mds'/></interface></devices></domain>", i, idOf(i), macOf(i))
				w := httptest.NewRecorder()
				backend.Upload(w, httptest.NewRequest(http.MethodPost, "/instance-upload", strings.NewReader(xml)))
				if w.Code != http.StatusOK || w.Body.Len() != 0 {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
