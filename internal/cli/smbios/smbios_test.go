package smbios

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
	"mdserver/internal/config"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/smbios"
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

// host is a libvirt with domains, and the configuration of a server that uses it.
func host(t *testing.T) (*libvirttest.Server, *config.Config) {
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
	cfg := config.Default()
	cfg.Libvirt.URI.Off, cfg.Libvirt.URI.Socket = false, s.Socket
	return s, cfg
}

// do runs the command as somebody does without a terminal, and returns what it prints.
func do(t *testing.T, cfg *config.Config, name string, opt options, flags ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, notes bytes.Buffer
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, cfg, name, opt) }, SilenceErrors: true, SilenceUsage: true}
	view.Flags(cmd, false)
	cmd.SetOut(&out)
	cmd.SetErr(&notes)
	cmd.SetIn(strings.NewReader("y\n"))
	cmd.SetArgs(append([]string{}, flags...))
	err = cmd.ExecuteContext(t.Context())
	return out.String(), notes.String(), err
}

// What is told of guests and done to them, word for word.
func TestSMBIOS(t *testing.T) {
	libvirt, cfg := host(t)
	tokens := *cfg
	tokens.Server.IMDS = "required"
	var got strings.Builder
	for _, tt := range []struct {
		what  string
		cfg   *config.Config
		guest string
		opt   options
		flags []string
	}{
		{"a guest that detects nothing", cfg, "plain", options{}, nil},
		{"the same for a program", cfg, "plain", options{}, []string{"--json"}},
		{"a guest whose UUID is like AWS's", cfg, awsID, options{}, nil},
		{"a guest that is set up", cfg, "openstack", options{}, nil},
		{"a name that a shell would split", cfg, "a b", options{}, nil},
		{"a machine without SMBIOS", cfg, "mainframe", options{}, nil},
		{"a server that requires tokens", &tokens, "plain", options{}, nil},
		{"a guest that requires tokens by its metadata", cfg, "required", options{}, nil},
		{"what to add for one cloud", cfg, "plain", options{datasource: smbios.NoCloud}, nil},
		{"the same for a program", cfg, "plain", options{datasource: smbios.NoCloud}, []string{"--json"}},
		{"one that is not for this guest", cfg, "plain", options{datasource: smbios.EC2}, nil},
		{"no cloud at all", cfg, "plain", options{datasource: "azure", apply: true}, nil},
		{"a domain that is not there", cfg, "nobody", options{}, nil},
		{"a definition that cannot be read", cfg, "broken", options{}, nil},
		{"the recommended one is applied", cfg, "plain", options{apply: true}, nil},
		{"again", cfg, "plain", options{apply: true}, nil},
		{"another one needs a question", cfg, "plain", options{datasource: smbios.NoCloud, apply: true}, nil},
		{"which --yes answers", cfg, "plain", options{datasource: smbios.NoCloud, apply: true, yes: true}, nil},
		{"a guest that runs", cfg, "aws", options{datasource: smbios.OpenStack, apply: true}, nil},
		{"for a program, and nothing changes", cfg, "aws", options{datasource: smbios.OpenStack, apply: true}, []string{"--json"}},
		{"a guest with a saved state", cfg, "openstack", options{datasource: smbios.EC2Clone, apply: true, yes: true}, nil},
	} {
		stdout, stderr, err := do(t, tt.cfg, tt.guest, tt.opt, tt.flags...)
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
		_, cfg := host(t)
		cfg.Libvirt.URI.Off = true
		if _, _, err := do(t, cfg, "plain", options{}); err == nil || err.Error() != "libvirt is not used: [libvirt] uri is off" {
			t.Error(err)
		}
	})
	t.Run("libvirt is away", func(t *testing.T) {
		_, cfg := host(t)
		cfg.Libvirt.URI.Socket += "-not"
		if _, _, err := do(t, cfg, "plain", options{}); err == nil || !strings.HasSuffix(err.Error(), "`mdserver doctor` finds out why") {
			t.Error(err)
		}
	})
	t.Run("libvirt refuses the definition", func(t *testing.T) {
		libvirt, cfg := host(t)
		libvirt.Refuse(libvirttest.DomainDefine, golibvirt.ErrXMLError)
		out, _, err := do(t, cfg, "plain", options{apply: true})
		if err == nil || !strings.HasPrefix(err.Error(), "libvirt refuses the changed definition of plain, which is unchanged: ") || out != "" {
			t.Errorf("%v, printed %q", err, out)
		}
	})
	t.Run("codes", func(t *testing.T) {
		_, cfg := host(t)
		for _, opt := range []options{{datasource: "azure"}, {datasource: smbios.NoCloud, apply: true}} {
			if _, _, err := do(t, cfg, "openstack", opt); exit.Code(err) != exit.Usage {
				t.Errorf("%+v: %v", opt, err)
			}
		}
	})
	t.Run("a name that looks like something else", func(t *testing.T) {
		libvirt, cfg := host(t)
		libvirt.Define(libvirttest.Domain{Name: "hostile", UUID: uuid.UUID{9}, Stored: domain(uuid.UUID{9}.String(), "x&#x202e;y", "<os/>")})
		for _, opt := range []options{{}, {datasource: smbios.OpenStack}, {apply: true}} {
			stdout, stderr, err := do(t, cfg, "hostile", opt)
			if err != nil {
				t.Error(err)
			}
			outputtest.MustBeHarmless(t, stdout+stderr)
		}
	})
}
