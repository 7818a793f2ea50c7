package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/api"
	"mdserver/internal/visible"
)

const ed25519Line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp root@web1"

const ed25519Shown = "ssh-ed25519 SHA256:u+W2I6ebKxJlMsfbblGNeAcVUakfDGFMnDuAhM6xhZg"

// Bodies as cloud-init 22.4.2 and 26.1 send them.
func TestParseEvent(t *testing.T) {
	tests := []struct {
		name, body string
		want       api.BootEntry
		err        string
	}{
		{
			name: "start",
			body: `{"name": "modules-final", "description": "running modules for final", "event_type": "start", "origin": "cloudinit", "timestamp": 1700000000.5}`,
			want: api.BootEntry{Name: "modules-final", Detail: "running modules for final"},
		},
		{
			name: "finish",
			body: `{"name": "modules-final/config-runcmd", "description": "config-runcmd ran successfully", "event_type": "finish", "origin": "cloudinit", "timestamp": 1700000001.5, "result": "SUCCESS"}`,
			want: api.BootEntry{Name: "modules-final/config-runcmd", Detail: "config-runcmd ran successfully", Result: "SUCCESS"},
		},
		{
			name: "duration and files",
			body: `{"name": "init-network", "description": "searching for network datasources", "event_type": "finish", "result": "FAIL", "duration": 1.25, "files": [{"path": "/x", "content": "eA==", "encoding": "base64"}]}`,
			want: api.BootEntry{Name: "init-network", Detail: "searching for network datasources", Result: "FAIL", Seconds: 1.25},
		},
		{
			name: "a duration that makes no sense",
			body: `{"name": "x", "event_type": "finish", "result": "WARN", "duration": -3e300}`,
			want: api.BootEntry{Name: "x", Result: "WARN"},
		},
		{
			name: "a terminal's escape sequences",
			body: `{"name": "x\u001b[2J", "description": "a\nb\u202e", "event_type": "start"}`,
			want: api.BootEntry{Name: `x\x1b[2J`, Detail: `a\nb\u202e`},
		},
		{
			name: "another kind and source",
			body: `{"name": "x", "event_type": "start", "kind": "host-keys", "source": "libvirt", "status": 500, "at": "2001-01-01T00:00:00Z"}`,
			want: api.BootEntry{Name: "x"},
		},
		{name: "no JSON", body: "name=x", err: "a JSON object"},
		{name: "a list", body: "[]", err: "a JSON object"},
		{name: "nothing", body: "", err: "a JSON object"},
		{name: "null", body: "null", err: "name is missing"},
		{name: "no name", body: `{"event_type": "start"}`, err: "name is missing"},
		{name: "another type of event", body: `{"name": "x", "event_type": "crashed"}`, err: `event_type is "crashed", accepted: start, finish`},
		{name: "another result", body: `{"name": "x", "event_type": "finish", "result": "ready"}`, err: `result is "ready", accepted: SUCCESS, WARN, FAIL`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseEvent([]byte(tt.body))
			tt.want.Kind = api.EntryStage
			check(t, got, err, tt.want, tt.err)
		})
	}
}

func TestParseHome(t *testing.T) {
	tests := []struct{ name, body, want, err string }{
		{
			name: "as cloud-init sends it",
			body: "pub_key_rsa=N%2FA&pub_key_ecdsa=N%2FA&pub_key_ed25519=" + strings.NewReplacer(" ", "+", "@", "%40").Replace(ed25519Line) + "%0A&instance_id=i-0123&hostname=web1&fqdn=web1.example.net",
			want: "instance_id i-0123, hostname web1, fqdn web1.example.net, " + ed25519Shown,
		},
		{name: "a host name to print", body: "hostname=a%0Ab%1b&pub_key_dsa=", want: `hostname a\nb\x1b`},
		{name: "no key", body: "pub_key_rsa=secret", err: `pub_key_rsa: "secret" is not a public key`},
		{name: "no form", body: "hostname=%zz", err: "phone_home posts a form"},
		{name: "nothing", body: "", err: "nothing to note"},
		{name: "all missing", body: "hostname=N%2FA&pub_key_rsa=N%2FA", err: "nothing to note"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseHome([]byte(tt.body))
			check(t, got, err, api.BootEntry{Kind: api.EntryPhoneHome, Detail: tt.want}, tt.err)
		})
	}
}

func TestParseStatus(t *testing.T) {
	tests := []struct {
		name, body string
		want       api.BootEntry
		err        string
	}{
		{
			name: "done, 22.4.2",
			body: `{"v1": {"datasource": "DataSourceEc2Local", "init": {"errors": [], "finished": 1.5, "start": 1}, "init-local": {"errors": [], "finished": 1.5, "start": 1}, "modules-config": {"errors": [], "finished": 1.5, "start": 1}, "modules-final": {"errors": [], "finished": 1.5, "start": 1}, "modules-init": {"errors": [], "finished": null, "start": null}, "stage": null}}`,
			want: api.BootEntry{Result: "SUCCESS"},
		},
		{
			name: "a failing script, 22.4.2",
			body: `{"v1": {"init": {"errors": [], "finished": 1}, "modules-final": {"errors": ["('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))"], "finished": 2}}}`,
			want: api.BootEntry{Result: "FAIL", Name: "scripts_user", Detail: "('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))"},
		},
		{
			name: "a module that the configuration spells with a hyphen",
			body: `{"v1": {"modules-final": {"errors": ["('scripts-user', RuntimeError('x'))"], "finished": 2}}}`,
			want: api.BootEntry{Result: "FAIL", Name: "scripts_user", Detail: "('scripts-user', RuntimeError('x'))"},
		},
		{
			name: "a program that a module lacks, 25.1",
			body: `{"v1": {"modules-config": {"errors": [], "recoverable_errors": {"WARNING": ["ssh-import-id is not installed, but module ssh_import_id is configured. Skipping module."]}, "finished": 2}}}`,
			want: api.BootEntry{Result: "WARN", Name: "ssh_import_id", Detail: "ssh-import-id is not installed, but module ssh_import_id is configured. Skipping module."},
		},
		{
			name: "recovered errors, 25.1",
			body: `{"v1": {"init": {"errors": [], "recoverable_errors": {"WARNING": ["c", "b"], "DEPRECATED": ["a"]}, "finished": 1}, "modules-final": {"errors": [], "recoverable_errors": {}, "finished": 2}}}`,
			want: api.BootEntry{Result: "WARN", Name: "init", Detail: "a; c; b"},
		},
		{
			name: "reports that were lost, 25.1",
			body: `{"v1": {"init": {"errors": [], "recoverable_errors": {"WARNING": ["Failed posting event: {\"name\": \"init-network\"}. This was caused by: timed out", "Multiple consecutive failures in WebHookHandler. Cancelling all queued events."]}, "finished": 1}, "modules-final": {"errors": [], "finished": 2}}}`,
			want: api.BootEntry{Result: "SUCCESS"},
		},
		{
			name: "an error that quotes a lost report",
			body: `{"v1": {"modules-final": {"errors": ["my check: Failed posting event: x"], "finished": 2}}}`,
			want: api.BootEntry{Result: "FAIL", Name: "modules-final", Detail: "my check: Failed posting event: x"},
		},
		{
			name: "an error beside recovered ones",
			body: `{"v1": {"modules-config": {"errors": [], "recoverable_errors": {"WARNING": ["a"]}, "finished": 1}, "modules-final": {"errors": ["b\n", "c", "d", "e", "f"], "finished": 2}}}`,
			want: api.BootEntry{Result: "FAIL", Name: "modules-final", Detail: "b; c; d; and 2 more"},
		},
		{
			name: "running",
			body: `{"v1": {"init": {"errors": [], "finished": 1}, "modules-final": {"errors": [], "finished": null}, "stage": "modules-final"}}`,
			want: api.BootEntry{Detail: "running"},
		},
		{name: "no JSON", body: "status: done", err: "cloud-init's status.json"},
		{name: "another version", body: `{"v2": {}}`, err: "v1 is missing"},
		{name: "another form", body: `{"v1": {"init": {"errors": "none"}}}`, err: "v1.init"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStatus([]byte(tt.body))
			tt.want.Kind = api.EntryStatus
			check(t, got, err, tt.want, tt.err)
		})
	}
}

func TestParseKeys(t *testing.T) {
	const certificate = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIFSyDyTlRdgVmiKIEZ0i9m4jBpDkJyC2Kk1bRvpJD6mHAAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp"
	tests := []struct {
		name, body string
		want       string
		err        string
	}{
		{"one", ed25519Line, ed25519Shown, ""},
		{"twice, with a blank line and a comment", ed25519Line + "\r\n\n# a comment\n" + ed25519Line + "\n", ed25519Shown, ""},
		{"nothing", "\n", "", "no host key"},
		{"no key", ed25519Line + "\nsecret\n", "", `line 2: "secret" is not a public key`},
		{"options", `command="reboot" ` + ed25519Line, "", "more than one public key"},
		{"a broken certificate", certificate, "", "not a public key"},
		{"a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "", "not a public key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := parseKeys([]byte(tt.body))
			check(t, keysEntry(keys), err, api.BootEntry{Kind: api.EntryHostKeys, Detail: tt.want}, tt.err)
		})
	}
}

func check(t *testing.T, got api.BootEntry, err error, want api.BootEntry, wantErr string) {
	t.Helper()
	switch {
	case wantErr != "":
		if err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("error %v, want one with %q", err, wantErr)
		}
	case err != nil:
		t.Error(err)
	default:
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// Whatever a guest sends becomes one short line of its kind, or an error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"name": "init", "event_type": "start", "description": "\u001b"}`,
		`{"v1": {"modules-final": {"errors": ["\u0007"], "finished": 1, "recoverable_errors": {"WARNING": [""]}}}}`,
		"hostname=x%0a&pub_key_rsa=" + strings.ReplaceAll(ed25519Line, " ", "+"),
		ed25519Line,
		"\xff\xfe",
	} {
		f.Add([]byte(seed))
	}
	kinds := map[string]api.EntryKind{"report": api.EntryStage, "phone-home": api.EntryPhoneHome, "status": api.EntryStatus}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, read := range readers {
			entry, err := read(body)
			if err != nil {
				continue
			}
			if entry.Kind != kinds[name] || entry.Status != 0 || entry.Source != "" {
				t.Errorf("%s: %q became %+v", name, body, entry)
			}
			checkTexts(t, entry)
		}
		if keys, err := parseKeys(body); err == nil {
			checkTexts(t, keysEntry(keys))
		}
	})
}

func checkTexts(t *testing.T, entry api.BootEntry) {
	t.Helper()
	const longest = 3 * maxText // with what the entry adds to three texts
	for _, text := range []string{entry.Name, entry.Detail, entry.Result} {
		if visible.String(text) != text || !utf8.ValidString(text) || len(text) > longest+40 {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
}
