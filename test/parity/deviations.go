package parity

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// releaseDate is unknown where the go command recorded no commit.
var releaseDate = regexp.MustCompile(`^\((20\d\d-\d\d-\d\d|unknown)\)$`)

// Deviation is one deliberate difference from the original.
type Deviation struct {
	Where  string // which requests, for people
	Theirs string // what the original answers
	Ours   string
	Reason string

	matches func(Case) bool
	// expect makes out of the answer expected so far the one that is expected
	// instead. What cannot be known beforehand is checked in got.
	expect func(want, got Answer) Answer
}

// Deviations is the whole list. Everything else must be the same.
var Deviations = []Deviation{
	{
		Where:  "every answer but user-data",
		Theirs: "Content-Type: text/html; charset=UTF-8",
		Ours:   "Content-Type: text/plain",
		Reason: "It is not HTML. AWS says text/plain, and clients that look at the type expect it.",
		matches: func(c Case) bool {
			return !isUserdata(c)
		},
		expect: func(want, got Answer) Answer {
			want.ContentType = plainText(got.ContentType)
			return want
		},
	},
	{
		Where:  "/{version}/user-data",
		Theirs: "Content-Type: text/html; charset=UTF-8",
		Ours:   "Content-Type: application/octet-stream",
		Reason: "User-data can be anything, down to a compressed archive, and is passed on byte for byte. AWS says so too.",
		matches: func(c Case) bool {
			return isUserdata(c)
		},
		expect: func(want, got Answer) Answer {
			want.ContentType = "application/octet-stream"
			if want.Status != http.StatusOK {
				want.ContentType = plainText(got.ContentType)
			}
			return want
		},
	},
	{
		Where:  "/service/version",
		Theirs: "0.1.2-test (2023-05-07)",
		Ours:   "the same version, with the release date of this program",
		Reason: "It is another release.",
		matches: func(c Case) bool {
			return c.Path == "/service/version"
		},
		expect: func(want, got Answer) Answer {
			version, _, _ := strings.Cut(want.Body, " (")
			date, ours := strings.CutPrefix(got.Body, version+" ")
			if ours && releaseDate.MatchString(date) {
				want.Body = got.Body
			}
			return want
		},
	},
	{
		Where:  "/",
		Theirs: "the versions with a slash: 2009-04-04/, latest/",
		Ours:   "the bare versions: 2009-04-04, latest",
		Reason: "AWS and Nova list them so, and a client that compares them with the versions it knows, such as ohai, finds none otherwise.",
		matches: func(c Case) bool {
			return c.Path == "/" && c.Status == http.StatusOK
		},
		expect: func(want, _ Answer) Answer {
			want.Body = bare(want.Body)
			return want
		},
	},
	{
		Where:  "/{version}/",
		Theirs: "meta-data/, user-data",
		Ours:   "dynamic, meta-data and user-data, without a slash, and without user-data for a guest that has none",
		Reason: "AWS lists them so. Guests have a signed identity document below dynamic, by which they show services who they are.",
		matches: func(c Case) bool {
			return c.Path == "/2009-04-04/" && c.Status == http.StatusOK
		},
		expect: func(want, _ Answer) Answer {
			want.Body = "dynamic\n" + bare(want.Body)
			return want
		},
	},
	{
		Where:  "/{version}/meta-data/",
		Theirs: "instance-id, hostname, public-keys/",
		Ours:   "these, and all that AWS has and a libvirt host can tell, in alphabetical order",
		Reason: "cloud-init takes a guest's name from local-hostname alone; the others are what further clients ask for.",
		matches: func(c Case) bool {
			return strings.HasSuffix(c.Path, "/meta-data/")
		},
		expect: func(want, got Answer) Answer {
			names := strings.Split(got.Body, "\n")
			for _, name := range append(strings.Split(want.Body, "\n"), "local-hostname", "local-ipv4", "mac", "placement/") {
				if !slices.Contains(names, name) {
					want.Body += "\n(lacks " + name + ")"
					return want
				}
			}
			want.Body = got.Body
			return want
		},
	},
	{
		Where:  "/service/configuration, from this host",
		Theirs: "its own settings and those of the framework it was written with",
		Ours:   "the same keys without catchall and autojson, and with this program's new keys",
		Reason: "catchall and autojson are settings of that framework and mean nothing here. Secrets are left out as before.",
		matches: func(c Case) bool {
			return c.Path == "/service/configuration" && c.Status == http.StatusOK
		},
		expect: expectConfiguration,
	},
	{
		Where:  "POST /instance-upload of a new guest",
		Theirs: "500 at its newest commit, which cannot register a guest at all; its releases answer 200 with nothing",
		Ours:   "200 with nothing",
		Reason: "What the releases did, and what the hook relies on.",
		matches: func(c Case) bool {
			return c.Method == http.MethodPost && c.Status == http.StatusInternalServerError
		},
		expect: func(want, _ Answer) Answer {
			want.Status = http.StatusOK
			return want
		},
	},
}

// bare is a listing without slashes.
func bare(listing string) string { return strings.ReplaceAll(listing, "/", "") }

func isUserdata(c Case) bool { return strings.HasSuffix(c.Path, "/user-data") }

// plainText accepts text/plain with or without the character set.
func plainText(got string) string {
	if got == "text/plain; charset=utf-8" {
		return got
	}
	return "text/plain"
}

// expectConfiguration wants every line of the original's but the framework's,
// with the release date free, and no secret.
func expectConfiguration(want, got Answer) Answer {
	lines := strings.Split(got.Body, "\n")
	for line := range strings.SplitSeq(want.Body, "\n") {
		key, _, _ := strings.Cut(line, "=")
		switch key {
		case "catchall", "autojson":
			continue
		case "service.release_date", "service.hostname":
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+"=") }) {
				want.Body += "\n(lacks " + key + ")"
				return want
			}
			continue
		}
		if !slices.Contains(lines, line) {
			want.Body += "\n(lacks the line " + line + ")"
			return want
		}
	}
	for _, secret := range []string{"password", "public-keys", "template-data", "saltsalt", "AAAAC3"} {
		if strings.Contains(got.Body, secret) {
			want.Body += "\n(shows the secret " + secret + ")"
			return want
		}
	}
	want.Body = got.Body
	return want
}
