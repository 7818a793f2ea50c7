package files

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/dnsmasq/content"
)

// BenchmarkChanged is the comparison of all files, which is made every two seconds.
// The guests are in one file for each of DHCP and DNS, but for the newest ones.
func BenchmarkChanged(b *testing.B) {
	for _, n := range []int{300, 50_000} {
		b.Run(fmt.Sprint(n, " guests"), func(b *testing.B) {
			dir := b.TempDir()
			files := New(Place{Settings: content.Settings{BaseDir: filepath.Join(dir, "dnsmasq"), RunDir: filepath.Join(dir, "run"), NetName: "mds"}})
			if err := files.MakeDirs(); err != nil {
				b.Fatal(err)
			}
			table := strings.Repeat("52:54:00:00:00:01,10.122.0.1,guest1\n", n)
			put := func(path, text string) {
				if _, err := files.Put(path, text, true); err != nil {
					b.Fatal(err)
				}
			}
			put(files.place.DHCPFile(), table)
			put(files.place.DNSFile(), table)
			for i := range 256 {
				put(filepath.Join(files.place.DNSDir(), fmt.Sprintf("%08x", i)), "10.122.0.1 guest1\n")
			}
			for b.Loop() {
				if changed := files.Changed(); len(changed) > 0 {
					b.Fatal(changed)
				}
			}
		})
	}
}
