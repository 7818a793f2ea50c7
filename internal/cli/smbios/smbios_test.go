package smbios

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/libvirt/libvirttest"
)

var update = flag.Bool("update", false, "write the golden file")

// domain is a definition with these elements between <uuid> and <devices>.
func domain(id, name, elements string) string {
	return "<domain type='kvm'><name>" + name + "</name><uuid>" + id + "</uuid>" + elements + "<devices/></domain>"
}

const (
	plainID = "7e5a544d-d555-4133-a443-8229415be701"
	awsID   = "ec2a544d-d555-4133-a443-8229415be702"
	osID    = "7e5a544d-d555-4133-a443-8229415be703"

	openStack = "<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system><entry name='product'>OpenStack Nova</entry></system></sysinfo>"
)

// host is a libvirt with domains.
func host(t *testing.T) *libvirttest.Server {
	s := libvirttest.New(t)
	for _, d := range []libvirttest.Domain{
		{Name: "plain", UUID: uuid.MustParse(plainID), Stored: domain(plainID, "plain", "<os/>")},
		{Name: "aws", UUID: uuid.MustParse(awsID), Stored: domain(awsID, "aws", "<os/>"), Running: true},
		{Name: "openstack", UUID: uuid.MustParse(osID), Stored: domain(osID, "openstack", openStack), Saved: true},
		{Name: "a b", UUID: uuid.UUID{4}, Stored: domain(uuid.UUID{4}.String(), "a b", "<os/>")},
		{Name: "mainframe", UUID: uuid.UUID{5}, Stored: domain(uuid.UUID{5}.String(), "mainframe", "<os><type arch='s390x'>hvm</type></os>")},
		{Name: "broken", UUID: uuid.UUID{6}, Stored: "<domain>"},
		{Name: "required", UUID: uuid.UUID{7}, Stored: domain(uuid.UUID{7}.String(), "required", "<os/>"+
			"<metadata><m:instance xmlns:m='urn:md_server:domain_metadata'><m:imds>required</m:imds><m:imds-exempt>none</m:imds-exempt></m:instance></metadata>")},
	} {
		s.Define(d)
	}
	return s
}

// configuration is that of a server which uses a libvirt.
func configuration(uri, more string) string {
	return "[mdserver]\n" + more + "\n[libvirt]\nuri = " + uri + "\n"
}

func at(socket string) string { return "qemu+unix:///system?socket=" + socket }

// do runs the command without a terminal, and returns what it prints.
func do(t *testing.T, cfg string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out bytes.Buffer
	stderr, err = with(t, cfg, strings.NewReader("y\n"), &out, args...)
	return out.String(), stderr, err
}

// with runs the command with an input and an output, and returns what goes to standard error.
func with(t *testing.T, cfg string, stdin io.Reader, stdout io.Writer, args ...string) (stderr string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(command.EnvConfig, file)
	var notes bytes.Buffer
	cmd := Command()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(stdout)
	cmd.SetErr(&notes)
	cmd.SetIn(stdin)
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test
	err = cmd.ExecuteContext(t.Context())
	return notes.String(), err
}

// The command's output, word for word, and what it does to guests.
func TestSMBIOS(t *testing.T) {
	libvirt := host(t)
	cfg, tokens := configuration(at(libvirt.Socket), ""), configuration(at(libvirt.Socket), "imds = required")
	var got strings.Builder
	for _, tt := range []struct {
		what string
		cfg  string
		args []string
	}{
		{"a guest that detects nothing", cfg, []string{"plain"}},
		{"the same for a program", cfg, []string{"plain", "--json"}},
		{"a guest whose UUID is like AWS's", cfg, []string{awsID}},
		{"a guest that is set up", cfg, []string{"openstack"}},
		{"a name that a shell would split", cfg, []string{"a b"}},
		{"a machine without SMBIOS", cfg, []string{"mainframe"}},
		{"a server that requires tokens", tokens, []string{"plain"}},
		{"a guest that requires tokens by its metadata", cfg, []string{"required"}},
		{"what to add for one cloud", cfg, []string{"plain", "--as", "nocloud"}},
		{"the same for a program", cfg, []string{"plain", "--as", "nocloud", "-o", "json"}},
		{"one that is not for this guest", cfg, []string{"plain", "--as", "ec2"}},
		{"no cloud at all", cfg, []string{"plain", "--as", "azure", "--apply"}},
		{"no guest", cfg, nil},
		{"a domain that is not there", cfg, []string{"nobody"}},
		{"a definition that cannot be read", cfg, []string{"broken"}},
		{"the recommended one is applied", cfg, []string{"plain", "--apply"}},
		{"again", cfg, []string{"plain", "--apply"}},
		{"another one needs a question", cfg, []string{"plain", "--as", "nocloud", "--apply"}},
		{"which --yes answers", cfg, []string{"plain", "--as", "nocloud", "--apply", "--yes"}},
		{"a guest that runs", cfg, []string{"aws", "--as", "openstack", "--apply"}},
		{"again, and no caution is due", cfg, []string{"aws", "--as", "openstack", "--apply"}},
		{"for a program, and nothing changes", cfg, []string{"aws", "--as", "openstack", "--apply", "--json"}},
		{"a guest with a saved state", cfg, []string{"openstack", "--as", "ec2-clone", "--apply", "-y"}},
	} {
		stdout, stderr, err := do(t, tt.cfg, tt.args...)
		fmt.Fprintf(&got, "== %s\n%s", tt.what, stdout)
		if stderr != "" {
			fmt.Fprintf(&got, "-- beside it\n%s", stderr)
		}
		if err != nil {
			fmt.Fprintf(&got, "-- error\n%v\n", err)
		}
	}
	fmt.Fprintf(&got, "== %d definitions were stored\n", libvirt.Calls(libvirttest.DomainDefine))
	golden := filepath.Join("testdata", "smbios.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got), -update writes it:\n%s", diff)
	}
}

func TestSMBIOSFails(t *testing.T) {
	t.Run("libvirt is off", func(t *testing.T) {
		if _, _, err := do(t, configuration("off", ""), "plain"); err == nil || err.Error() != "libvirt is not used: [libvirt] uri is off" {
			t.Error(err)
		}
	})
	t.Run("libvirt is away", func(t *testing.T) {
		if _, _, err := do(t, configuration(at("/none"), ""), "plain"); err == nil || !strings.HasSuffix(err.Error(), "`mdserver doctor` finds out why") {
			t.Error(err)
		}
	})
	t.Run("libvirt refuses the definition", func(t *testing.T) {
		libvirt := host(t)
		libvirt.Refuse(libvirttest.DomainDefine, golibvirt.ErrXMLError)
		out, _, err := do(t, configuration(at(libvirt.Socket), ""), "plain", "--apply")
		if err == nil || !strings.HasPrefix(err.Error(), "libvirt refuses the changed definition of plain, which is unchanged: ") || out != "" {
			t.Errorf("%v, printed %q", err, out)
		}
	})
	t.Run("wrong usage", func(t *testing.T) {
		cfg := configuration(at(host(t).Socket), "")
		for _, args := range [][]string{{"plain", "--as", "azure"}, {"openstack", "--as", "nocloud", "--apply"}} {
			if _, _, err := do(t, cfg, args...); exit.Code(err) != exit.Usage {
				t.Errorf("%q: %v", args, err)
			}
		}
	})
	t.Run("a name that looks like something else", func(t *testing.T) {
		libvirt := host(t)
		libvirt.Define(libvirttest.Domain{Name: "hostile", UUID: uuid.UUID{9}, Stored: domain(uuid.UUID{9}.String(), "x&#x202e;y", "<os/>")})
		for _, flags := range [][]string{nil, {"--as", "openstack"}, {"--apply"}} {
			stdout, stderr, err := do(t, configuration(at(libvirt.Socket), ""), append(flags, "hostile")...)
			if err != nil {
				t.Error(err)
			}
			outputtest.MustBeHarmless(t, stdout+stderr)
		}
	})
}

// TestSMBIOSCannotPrint checks that the command fails if it cannot print, even if nothing changes.
func TestSMBIOSCannotPrint(t *testing.T) {
	cfg := configuration(at(host(t).Socket), "")
	for _, flags := range [][]string{{"--json"}, {"--as", "nocloud"}, {"--as", "nocloud", "-o", "yaml"}, {"--apply", "--json"}, {"--apply"}} {
		if _, err := with(t, cfg, strings.NewReader(""), brokenPipe{}, append(flags, "plain")...); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%q: %v", flags, err)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestSMBIOSAsks checks that the command asks on a terminal before a guest becomes a new machine,
// and changes nothing without a yes.
func TestSMBIOSAsks(t *testing.T) {
	for answer, want := range map[string]int{"n\n": 0, "\n": 0, "yes\n": 1, "Y\n": 1} {
		libvirt := host(t)
		terminal, keyboard := outputtest.NewTerminal(t)
		if _, err := keyboard.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		notes, err := with(t, configuration(at(libvirt.Socket), ""), terminal, &out, "openstack", "--as", "nocloud", "--apply")
		if errors.Is(err, command.ErrDeclined) != (want == 0) || err != nil && want == 1 || libvirt.Calls(libvirttest.DomainDefine) != want {
			t.Errorf("answered %q: %v, %d definitions were stored", answer, err, libvirt.Calls(libvirttest.DomainDefine))
		}
		if !strings.HasPrefix(notes, "openstack detects OpenStack. With NoCloud, its instance-id changes.\n") || !strings.Contains(notes, "\nChange openstack? [y/N] ") {
			t.Errorf("the question is %q", notes)
		}
	}
}

// TestSMBIOSOneChange checks that a definition is stored even if only one line changes.
func TestSMBIOSOneChange(t *testing.T) {
	libvirt := host(t)
	const almost = "<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system><entry name='product'>KVM</entry></system></sysinfo>"
	libvirt.Define(libvirttest.Domain{Name: "almost", UUID: uuid.UUID{9}, Stored: domain(uuid.UUID{9}.String(), "almost", almost)})
	stdout, _, err := do(t, configuration(at(libvirt.Socket), ""), "almost", "--apply")
	if err != nil || strings.Count(stdout, "\n") != 2 || libvirt.Calls(libvirttest.DomainDefine) != 1 {
		t.Errorf("%v, %d definitions were stored\n%s", err, libvirt.Calls(libvirttest.DomainDefine), stdout)
	}
}
