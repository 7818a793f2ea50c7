package parity

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

//go:generate sh -c "MDSERVER_UPDATE=1 go test -run TestDocumentation ."

const (
	data = "../testdata/parity"
	page = "../../docs/development/parity.md"
)

// The page in docs is what the table says.
func TestDocumentation(t *testing.T) {
	want := Markdown()
	if os.Getenv("MDSERVER_UPDATE") == "1" {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table of deviations says; run go generate ./test/parity", page)
	}
}

// Every deviation is of use: it applies to one of the requests at least.
func TestEveryDeviationApplies(t *testing.T) {
	cases := load(t)
	for _, d := range Deviations {
		used := false
		for _, c := range cases {
			used = used || d.matches(c)
		}
		if !used {
			t.Errorf("the deviation at %q applies to no request", d.Where)
		}
		if d.Reason == "" {
			t.Errorf("the deviation at %q gives no reason", d.Where)
		}
	}
}

// The answers belong to the requests, one by one.
func TestCasesMatchRequests(t *testing.T) {
	cases := load(t)
	file, err := os.Open(data + "/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if n >= len(cases) {
			t.Fatalf("no answer to request %d: %s", n+1, lines.Text())
		}
		c := cases[n]
		got := strings.TrimSpace(strings.Join([]string{c.From, c.Method, c.Path, c.BodyFile}, " "))
		if want := strings.Join(words, " "); got != want {
			t.Errorf("answer %d is to %q, want %q", n+1, got, want)
		}
		n++
	}
	if n != len(cases) {
		t.Errorf("%d requests and %d answers", n, len(cases))
	}
}

func TestCompare(t *testing.T) {
	hostname := Case{Method: "GET", Path: "/latest/meta-data/hostname", Status: 200, Response: "web1"}
	listing := Case{Method: "GET", Path: "/latest/meta-data/", Status: 200, Response: "instance-id\nhostname"}
	for _, tc := range []struct {
		name string
		c    Case
		got  Answer
		want string // part of the difference; none if empty
	}{
		{"same", hostname, Answer{200, "text/plain", "web1"}, ""},
		{"other body", hostname, Answer{200, "text/plain", "web2"}, `body "web2", want "web1"`},
		{"other status", hostname, Answer{404, "text/plain", "web1"}, `status "404", want "200"`},
		{"other type", hostname, Answer{200, "text/html", "web1"}, `content type "text/html", want "text/plain"`},
		{"longer listing", listing, Answer{200, "text/plain", "hostname\ninstance-id\nlocal-hostname\nlocal-ipv4\nmac\nplacement/"}, ""},
		{"shorter listing", listing, Answer{200, "text/plain", "hostname\nlocal-hostname\nlocal-ipv4\nmac"}, "lacks instance-id"},
	} {
		got := Compare(tc.c, tc.got, "/dir")
		if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: difference %q, want %q", tc.name, got, tc.want)
		}
	}
}

func load(t *testing.T) []Case {
	t.Helper()
	cases, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}
