package clients

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:generate sh -c "MDSERVER_UPDATE=1 go test -run TestDocumentation ."

const page = "../../docs/development/clients.md"

// The table in docs, between its two marks, is what the tables here say.
func TestDocumentation(t *testing.T) {
	const begin, end = "<!-- Written by \"go generate ./test/clients\". -->\n", "<!-- Up to here. -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	got, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s lacks the marks %s%s", page, begin, end)
	}
	want := "\n" + Markdown() + "\n"
	if os.Getenv("MDSERVER_UPDATE") == "1" {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if got != want {
		t.Errorf("%s does not have the table of clients; run go generate ./test/clients", page)
	}
}

// A client is either run by a test that there is, or replayed by requests that
// are there, and the documentation can say all that it says of one.
func TestTables(t *testing.T) {
	tests := endToEndTests(t)
	guest := Guest{NICs: []NIC{{IPv4: netip.MustParsePrefix("10.122.0.5/16")}}}
	seen := map[string]bool{}
	for _, c := range All() {
		name := strings.Join([]string{c.Name, c.Version, c.As}, ", ")
		if c.Name != "the same" && seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if c.Version == "" || c.As == "" || c.Reads == "" || c.Tokens == "" {
			t.Errorf("%s: something to say is missing", name)
		}
		if !c.Replayed() {
			if c.Ask != nil || !strings.Contains(tests, "\nfunc "+c.Test+"(") {
				t.Errorf("%s: there is no end-to-end test %s, or it is replayed, too", name, c.Test)
			}
			continue
		}
		if c.Source == "" || len(c.Headers) == 0 || c.Ask == nil {
			t.Fatalf("%s: where it was read, what it sends or what it asks for is missing", name)
		}
		checkTokens(t, name, c, c.Ask(guest))
	}
}

// Amazon's client has the version that it is said to have; those of Debian's
// are compared where they are run.
func TestVersionOfAmazonsClient(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range All() {
		version, imds := strings.CutPrefix(c.Version, "imds ")
		if imds && !strings.Contains(string(text), "/aws-sdk-go-v2/feature/ec2/imds v"+version+"\n") {
			t.Errorf("go.mod has another version than %s", version)
		}
	}
}

// checkTokens compares what is said of a client's tokens with its requests.
func checkTokens(t *testing.T, name string, c Client, requests []Request) {
	t.Helper()
	asks, tree := false, false
	for _, q := range requests {
		asks = asks || q.TTL != ""
		tree = tree || inTree(q.Path)
	}
	if says := c.Tokens == Always || c.Tokens == IfAny; says != asks || asks != (c.TokenHeader != "") {
		t.Errorf("%s asks for tokens: %v, shows them as %q, and is said to do so %s", name, asks, c.TokenHeader, c.Tokens)
	}
	if (c.Tokens == Unused) == tree {
		t.Errorf("%s reads the EC2 tree: %v, and is said to show tokens %s", name, tree, c.Tokens)
	}
}

// endToEndTests is the text of all of them.
func endToEndTests(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../e2e/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
