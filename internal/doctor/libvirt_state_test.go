package doctor

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestLibvirtState(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "it's libvirt")
	dir := filepath.Join(parent, "dnsmasq")
	want := func(state State) Finding {
		t.Helper()
		got := checkStateDir(dir)
		if len(got) != 1 || got[0].State != state {
			t.Fatalf("findings %+v, want one that is %s", got, state)
		}
		return got[0]
	}
	want(OK) // no libvirt
	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range want(Wrong).Remedy {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	want(OK)
}
