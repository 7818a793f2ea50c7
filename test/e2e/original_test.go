//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// originalsVar names the directory with the original's sources, in the folders
// 0.6.7 and newest. They are not part of the project.
const originalsVar = "MDSERVER_ORIGINAL"

// original is an installation of the original in a lab, and of this server in
// the same place: they take turns.
type original struct {
	t       *testing.T
	l       *lab.Lab
	version string
	source  string // directory with the Python package
	site    string // directory with the configuration and the database
	running []*lab.Process
	made    int // guests that domain has made
}

// The original and this server take turns on a host, twice, while a guest runs.
// Nothing is lost: not an address, an answer or a guest that either registered.
func TestThereAndBackWithTheOriginal(t *testing.T) {
	t.Parallel()
	sources := os.Getenv(originalsVar)
	if sources == "" {
		sources = filepath.Join("..", "..", "..", "shared", "original")
	}
	if _, err := os.Stat(sources); errors.Is(err, os.ErrNotExist) {
		t.Skipf("the original's sources are not at %s; set %s to the directory with 0.6.7 and newest", sources, originalsVar)
	}
	sources, err := filepath.Abs(sources)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"0.6.7", "newest"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			thereAndBack(t, &original{t: t, l: l, version: version, source: filepath.Join(sources, version), site: originalSite(t, l, "", onTheBridge)})
		})
	}
}

func thereAndBack(t *testing.T, o *original) {
	want := []string{"badprefix", "bymac", "byname", "byprefix", "fallback", "nosuffix"}
	if o.version == "newest" {
		toNewFormat(t, o.dbFile())
	}
	o.start()
	guest, lease := boot(t, o.l, shown{Name: "byname", MAC: "52:54:00:09:00:01"})
	equal(t, "the address from the original", lease.IP.String(), "10.122.1.1")
	answers := o.answers(guest)
	s := o.l.ServerFor(suite.binary, filepath.Join(o.site, "mdserver.conf"), upgradedURL)
	for _, round := range []string{"one", "two"} {
		theirs, ours := "theirs-"+round, "ours-"+round
		o.register(theirs)
		o.stop()

		start(t, s)
		want = append(want, theirs)
		o.wantGuests("after the upgrade, round "+round, slices.Sorted(maps.Keys(list(t, s))), want)
		o.wantSame("after the upgrade, round "+round, guest, answers)
		uploadXML(t, s, o.domain(ours).xml())
		want = append(want, ours)
		before := o.addresses()
		command(t, s, "export", "--output", o.dbFile())
		if err := s.Stop(stopTime); err != nil {
			t.Error(err)
		}
		o.wantGuests("in the export, round "+round, slices.Sorted(maps.Keys(o.addresses())), want)
		for name, addr := range before {
			equal(t, "the exported address of "+name, o.addresses()[name], addr)
		}

		o.start()
		o.wantSame("after the way back, round "+round, guest, answers)
	}
	o.stop()
}

func (o *original) dbFile() string { return filepath.Join(o.site, "db_file.json") }

// start starts the original and, when that has written its files, dnsmasq.
func (o *original) start() {
	o.t.Helper()
	env := []string{"PYTHONPATH=" + o.source, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore"}
	o.run("original", env, "/usr/bin/python3", "-m", "mdserver.server", filepath.Join(o.site, "mdserver.conf"))
	client := o.l.Host.HTTPClient(netip.MustParseAddr(lab.Gateway))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		resp, err := client.Get(upgradedURL + "/service/name")
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("the original %s does not answer: %v", o.version, err)
		}
	}
	o.run("original-dnsmasq", nil, "dnsmasq", "--conf-file="+filepath.Join(o.site, "dnsmasq", "mds.conf"), "--keep-in-foreground")
}

func (o *original) run(name string, env []string, command string, args ...string) {
	o.t.Helper()
	p, err := o.l.Host.Start(name, env, command, args...)
	if err != nil {
		o.t.Fatal(err)
	}
	o.running = append(o.running, p)
}

func (o *original) stop() {
	o.t.Helper()
	for _, p := range slices.Backward(o.running) {
		if err := p.Stop(stopTime); err != nil && !strings.Contains(err.Error(), "signal: ") {
			o.t.Error(err)
		}
	}
	o.running = nil
}

// register registers a guest as the Python mdserver's hook does. The newest version
// answers that with an error and cannot register a guest, so the guest is
// entered into its database.
func (o *original) register(name string) {
	o.t.Helper()
	if o.version == "newest" {
		o.enter(name)
		return
	}
	resp, err := o.l.Host.HTTPClient(netip.MustParseAddr(lab.Gateway)).Post(upgradedURL+"/instance-upload", "application/x-www-form-urlencoded",
		strings.NewReader(o.domain(name).xml()))
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		o.t.Fatalf("the original answers the upload of %s with %s", name, resp.Status)
	}
}

func (o *original) enter(name string) {
	o.t.Helper()
	db := readJSON[map[string]any](o.t, o.dbFile())
	now := float64(time.Now().UnixMicro()) / 1e6
	d := o.domain(name)
	db["entries"] = append(db["entries"].([]any), map[string]any{
		"domain_name": d.name, "domain_uuid": d.uuid, "domain_metadata": map[string]any{}, "location": nil, "mds_mac": d.mac,
		"mds_ipv4": fmt.Sprintf("10.122.7.%d", o.made), "mds_ipv6": nil, "first_seen": now, "last_update": now,
	})
	writeJSON(o.t, o.dbFile(), db)
}

type originalDomain struct{ name, uuid, mac string }

// domain makes the next guest.
func (o *original) domain(name string) originalDomain {
	o.made++
	return originalDomain{name, fmt.Sprintf("7e5a544d-d555-4133-a443-822941500%03d", o.made), fmt.Sprintf("52:54:00:0a:00:%02d", o.made)}
}

func (d originalDomain) xml() string {
	return fmt.Sprintf(`<domain type="kvm"><name>%s</name><uuid>%s</uuid><devices>
		<interface type="network"><mac address="%s"/><source network="mds"/></interface></devices></domain>`, d.name, d.uuid, d.mac)
}

// addresses are the guests in the original's database, in either form.
func (o *original) addresses() map[string]string {
	o.t.Helper()
	type entry struct {
		Name string `json:"domain_name"`
		IPv4 string `json:"mds_ipv4"`
	}
	var entries []entry
	if o.version == "newest" {
		entries = readJSON[struct{ Entries []entry }](o.t, o.dbFile()).Entries
	} else {
		entries = readJSON[[]entry](o.t, o.dbFile())
	}
	byName := map[string]string{}
	for _, e := range entries {
		byName[e.Name] = e.IPv4
	}
	return byName
}

// answers are what a guest reads.
func (o *original) answers(guest *lab.Guest) map[string]string {
	o.t.Helper()
	answers := map[string]string{}
	for _, path := range []string{"meta-data/instance-id", "meta-data/hostname", "meta-data/public-keys/", "meta-data/public-keys/0/openssh-key", "user-data"} {
		text, err := guest.Output(suite.ctx, "curl", "-sSf", upgradedURL+"/2009-04-04/"+path)
		if err != nil {
			o.t.Fatal(err)
		}
		answers[path] = text
	}
	return answers
}

// wantSame wants the running guest to keep its address and its answers.
func (o *original) wantSame(when string, guest *lab.Guest, want map[string]string) {
	o.t.Helper()
	lease, err := guest.Renew(suite.ctx)
	if err != nil {
		o.t.Fatal(err)
	}
	equal(o.t, "the address "+when, lease.IP.String(), "10.122.1.1")
	for path, text := range o.answers(guest) {
		equal(o.t, path+" "+when, text, want[path])
	}
}

func (o *original) wantGuests(when string, got, want []string) {
	o.t.Helper()
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		o.t.Errorf("the guests %s are %v, want %v", when, got, want)
	}
}
