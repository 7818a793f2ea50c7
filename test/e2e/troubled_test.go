//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"mdserver/internal/api"
	"mdserver/test/lab"
)

// The server names the module that failed and the line of the template. Each trouble
// happens in one release of cloud-init; in both, and more often, if
// MDSERVER_TROUBLES says how often (see make troubles).
func TestTroubledBoots(t *testing.T) {
	t.Parallel()
	runs, all := 1, false
	if text := os.Getenv("MDSERVER_TROUBLES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("MDSERVER_TROUBLES is %q, accepted: how often each trouble happens, from 1", text)
		}
		runs, all = n, true
	}
	var sum troubleTable
	t.Cleanup(func() { t.Log("\n" + sum.String()) })
	for i, tt := range troubles {
		for release, want := range map[string]outcome{"12": tt.older, "13": tt.newer} {
			if inTurn := []string{"12", "13"}[i%2]; !all && release != inTurn {
				continue
			}
			for run := range runs {
				t.Run(fmt.Sprintf("%s %s %d", release, tt.name, run+1), func(t *testing.T) {
					t.Parallel()
					right, late := bootTroubled(t, release, tt, append(slices.Clone(tt.before), want))
					sum.add(i, release, want, right, late)
				})
			}
		}
	}
}

// troubled is a guest that a trouble happens to.
type troubled struct {
	t      *testing.T
	ctx    context.Context
	lab    *lab.Lab
	server *lab.Server
	web1   shown
	guest  *lab.Guest
	root   string
	look   look
	end    time.Time // of the last stage, by cloud-init; zero if it did not get there
	log    string    // cloud-init's, of the last boot that was not killed
}

// bootTroubled has a trouble happen, and checks the verdicts on the guest's boots. It
// returns whether they are right, and how long after cloud-init's end the server knew
// the last one; a negative time if cloud-init did not end.
func bootTroubled(t *testing.T, release string, tt trouble, wants []outcome) (right bool, late time.Duration) {
	t.Helper()
	b := &troubled{t: t, ctx: suite.ctx, lab: newLab(t)}
	if release == "12" {
		b.root, b.look = chroot(t), oneOfEach(looks)[0]
	} else {
		b.root, b.look = trixie(t), oneOfEach(newerLooks())[1]
	}
	config := b.lab.Config().Set("mdserver", "report", "yes")
	for key, value := range tt.config {
		if strings.HasSuffix(key, "_template") {
			value = b.lab.Path(value)
		}
		config.Set("mdserver", key, value)
	}
	b.server = startServer(t, b.lab, config)
	b.use(tt.userdata)
	if _, err := b.lab.WriteFile("userdata/vendor", "#cloud-config\n# {{nothing}}\n"); err != nil {
		t.Fatal(err)
	}
	b.web1 = registerWithParts(t, b.lab, b.server, "trouble")
	b.switchOn()
	var err error
	if b.guest, err = b.lab.AddGuest(suite.ctx, b.web1.Name, b.web1.MAC); err != nil {
		t.Fatal(err)
	}
	happens := tt.happens
	if happens == nil {
		happens = func(b *troubled) error { return b.boot(b.ctx) }
	}
	if err := happens(b); err != nil {
		t.Fatal(err)
	}
	return b.check(wants)
}

// use has the guest get this template from now on.
func (b *troubled) use(template string) {
	b.t.Helper()
	if _, err := b.lab.WriteFile("userdata/trouble", template); err != nil {
		b.t.Fatal(err)
	}
}

// switchOn starts the guest as libvirt's hook reports it.
func (b *troubled) switchOn() {
	b.t.Helper()
	xml, err := os.ReadFile(b.lab.Path("web1.xml"))
	if err != nil {
		b.t.Fatal(err)
	}
	runHookWith(b.t, b.lab, "web1", string(xml))
}

// unplug puts the guest on a network where nothing answers.
func (b *troubled) unplug() error {
	if err := b.guest.Remove(b.ctx); err != nil {
		return err
	}
	if err := b.lab.AddBridge(b.ctx, "br-silent"); err != nil {
		return err
	}
	var err error
	b.guest, err = b.lab.AddGuestOn(b.ctx, "br-silent", "unplugged", b.web1.MAC)
	return err
}

// boot boots cloud-init, which may fail: then the verdict says so.
func (b *troubled) boot(ctx context.Context) error {
	if err := b.guest.IP(ctx, "-4", "address", "flush", "dev", "eth0"); err != nil { // of the boot before
		return err
	}
	ran, err := b.guest.BootCloudInit(ctx, b.root, b.look.firmware(b.web1))
	if err != nil && ctx.Err() == nil {
		b.t.Log("cloud-init ended with an error, as it may:", firstLine(err.Error()))
	}
	b.end, b.log = ran.Ended(), ran.Log
	return suite.ctx.Err()
}

// killWhen boots, and kills the guest when the verdict on its present boot is as wanted.
func (b *troubled) killWhen(is func(api.Verdict) bool) error {
	ctx, kill := context.WithCancel(b.ctx)
	defer kill()
	killed := make(chan error, 1)
	go func() { killed <- b.boot(ctx) }()
	err := lab.Poll(b.ctx, 2*time.Minute, func(ctx context.Context) error {
		all, err := b.boots(ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 || !is(all[len(all)-1].Verdict) {
			return fmt.Errorf("the boots are %+v", all)
		}
		return nil
	})
	kill()
	return errors.Join(err, <-killed)
}

// restartAtFirstReport stops the server as soon as the guest has reported something,
// and starts it two seconds later.
func (b *troubled) restartAtFirstReport() error {
	if err := waitForReport(b.lab); err != nil {
		return err
	}
	if err := b.server.Stop(10 * time.Second); err != nil {
		return err
	}
	select {
	case <-time.After(2 * time.Second):
	case <-b.ctx.Done():
	}
	return b.server.Start(b.ctx)
}

func (b *troubled) boots(ctx context.Context) ([]api.Boot, error) {
	shown, err := b.server.Run(ctx, nil, "boots", "web1", "--json")
	if err != nil {
		return nil, err
	}
	var all []api.Boot
	return all, json.Unmarshal([]byte(shown), &all)
}

// check checks the verdicts on all boots.
func (b *troubled) check(wants []outcome) (right bool, late time.Duration) {
	b.t.Helper()
	all, err := b.boots(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	var got []outcome
	for _, boot := range all {
		o := outcome{state: string(boot.Verdict.State), module: boot.Verdict.Module}
		if boot.Verdict.Template != nil {
			o.line = boot.Verdict.Template.Line
		}
		got = append(got, o)
	}
	if right = slices.Equal(got, wants); !right {
		b.t.Errorf("the verdicts are %+v, want %+v in\n%s\n%s", got, wants, command(b.t, b.server, "boots", "web1", "--json"), b.log)
	}
	late = -1
	for _, e := range all[max(0, len(all)-1)].Entries {
		if e.Kind == api.EntryStatus && !b.end.IsZero() {
			late = e.At.Sub(b.end)
		}
	}
	return right, late
}

// troubleTable sums up how troubles were judged.
type troubleTable struct {
	mu   sync.Mutex
	rows map[string]*troubleRow
}

type troubleRow struct {
	trouble     int
	release     string
	want        outcome
	right, runs int
	latest      time.Duration
}

func (s *troubleTable) add(i int, release string, want outcome, right bool, late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%03d %s", i, release)
	if s.rows == nil {
		s.rows = map[string]*troubleRow{}
	}
	if s.rows[key] == nil {
		s.rows[key] = &troubleRow{trouble: i, release: release, want: want, latest: -1}
	}
	r := s.rows[key]
	r.runs++
	if right {
		r.right++
	}
	r.latest = max(r.latest, late)
}

// String is the table in Markdown.
func (s *troubleTable) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| trouble\t| Debian\t| verdict\t| right\t| latest |")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|--- |")
	keys := []string{}
	for key := range s.rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		r := s.rows[key]
		verdict, latest := r.want.state, "-"
		if r.want.module != "" {
			verdict += " in " + r.want.module
		}
		if r.want.line > 0 {
			verdict += fmt.Sprintf(", line %d", r.want.line)
		}
		if r.latest >= 0 {
			latest = fmt.Sprintf("%.2f s", r.latest.Seconds())
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %d of %d\t| %s |\n", troubles[r.trouble].name, r.release, verdict, r.right, r.runs, latest)
	}
	_ = w.Flush() // to a strings.Builder
	return text.String()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
