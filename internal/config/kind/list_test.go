package kind

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestElements(t *testing.T) {
	errBad := errors.New("bad")
	parse := func(word string) (string, error) {
		if word == "bad" {
			return "", errBad
		}
		return strings.ToUpper(word), nil
	}
	for text, tt := range map[string]struct {
		all, distinct []string
		err           error
	}{
		"":               {nil, nil, nil},
		" , ,":           {nil, nil, nil},
		"a":              {[]string{"A"}, []string{"A"}, nil},
		"b, a,b ,, B, c": {[]string{"B", "A", "B", "B", "C"}, []string{"B", "A", "C"}, nil},
		"a, bad, b":      {nil, nil, errBad},
	} {
		all, err := Elements(text, parse)
		if !slices.Equal(all, tt.all) || err != tt.err {
			t.Errorf("elements of %q: %q, %v", text, all, err)
		}
		once, err := Distinct(Elements(text, parse))
		if !slices.Equal(once, tt.distinct) || err != tt.err {
			t.Errorf("distinct elements of %q: %q, %v", text, once, err)
		}
		want := tt.err
		if tt.err == nil && len(tt.all) == 0 {
			want = ErrEmpty
		}
		if got, err := NotEmpty(Elements(text, parse)); !slices.Equal(got, tt.all) || err != want {
			t.Errorf("%q, not empty: %q, %v, want %v", text, got, err, want)
		}
	}
}

func TestEtcdEndpoints(t *testing.T) {
	for text, want := range map[string]string{
		"http://a, http://b:1, http://a": "http://a:2379 http://b:1",
		"https://a, http://b":            "error: mixes http and https",
		"":                               "",
		"https://[::1]/":                 "https://[::1]:2379",
		"http://a:65535":                 "http://a:65535",
		"http://a:65536":                 "error: has a URL whose port is out of range",
		"http://a:0":                     "error: has a URL whose port is out of range",
		"a:2379":                         "error: has an element without http:// or https://",
		"http://a:x":                     "error: has an element that is not a URL",
		"http://a\u2028b":                "error: has an element that is not a URL",
		"http://u@a":                     "error: has a user in a URL; use store.user and store.password_file",
		"http://":                        "error: has a URL without a host",
		"http://a/b":                     "error: has a URL with more than a host and a port",
		"http://a?b":                     "error: has a URL with more than a host and a port",
		"http://a#b":                     "error: has a URL with more than a host and a port",
	} {
		list, err := EtcdEndpoints.Parse(text)
		got := strings.Join(list, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
