// Package parity holds what the original mdserver answered to a list of
// requests, and every point in which this one answers otherwise on purpose.
// The end-to-end tests compare the two; [Markdown] writes the list for people.
package parity

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Case is one request and what the original answered.
type Case struct {
	From        string `json:"from"` // source address
	Method      string `json:"method"`
	Path        string `json:"path"`
	BodyFile    string `json:"body_file"` // below the data directory; none if empty
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Response    string `json:"response"`
}

// Name tells the cases apart in the output of a test.
func (c Case) Name() string {
	name := c.From + " " + c.Method + " " + c.Path
	if c.BodyFile != "" {
		name += " " + filepath.Base(c.BodyFile)
	}
	return name
}

// Answer is what this mdserver answered.
type Answer struct {
	Status      int
	ContentType string
	Body        string
}

// Load reads the cases of a data directory. Their order matters: uploads come
// before requests that may see their effect.
func Load(dir string) ([]Case, error) {
	file := filepath.Join(dir, "original-responses.json")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var cases []Case
	if err := json.Unmarshal(text, &cases); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return cases, nil
}

// Compare returns how the answer differs from what is expected: the original's
// answer, but for the deviations. The empty string means not at all. In bodies
// @DIR@ stands for dir.
func Compare(c Case, got Answer, dir string) string {
	want := Answer{Status: c.Status, ContentType: c.ContentType, Body: strings.ReplaceAll(c.Response, "@DIR@", dir)}
	for _, d := range Deviations {
		if d.matches(c) {
			want = d.expect(want, got)
		}
	}
	var differences []string
	for _, field := range []struct {
		name      string
		got, want any
	}{
		{"status", got.Status, want.Status},
		{"content type", got.ContentType, want.ContentType},
		{"body", got.Body, want.Body},
	} {
		if field.got != field.want {
			differences = append(differences, fmt.Sprintf("%s %q, want %q", field.name,
				fmt.Sprint(field.got), fmt.Sprint(field.want)))
		}
	}
	return strings.Join(differences, "; ")
}
