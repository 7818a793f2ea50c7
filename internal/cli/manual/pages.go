package manual

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"mdserver/internal/install"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manDir is where man pages are, below the prefix.
const manDir = "share/man/man8"

// Release is what man pages say of the program.
type Release struct {
	Source string    // its name and version
	Date   time.Time // of the release, so that the same program always has the same pages
	Every  string    // sections of every page, in roff
	Root   string    // sections of the root command's page, in front of these
}

// Completions returns the scripts that complete a program's commands in bash, zsh and
// fish.
func Completions(root *cobra.Command) ([]install.Page, error) {
	var pages []install.Page
	for _, shell := range []struct {
		path  string
		write func(*bytes.Buffer) error
	}{
		{"share/bash-completion/completions/" + root.Name(), func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) }},
		{"share/zsh/site-functions/_" + root.Name(), func(b *bytes.Buffer) error { return root.GenZshCompletion(b) }},
		{"share/fish/vendor_completions.d/" + root.Name() + ".fish", func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) }},
	} {
		var b bytes.Buffer
		if err := shell.write(&b); err != nil {
			return nil, fmt.Errorf("shell completion: %w", err)
		}
		pages = append(pages, install.Page{Path: shell.path, Content: b.Bytes()})
	}
	return pages, nil
}

// ManPages returns the man pages of a command and of those below it.
func ManPages(cmd *cobra.Command, release Release) ([]install.Page, error) {
	page, err := manPage(cmd, release)
	if err != nil {
		return nil, err
	}
	pages := []install.Page{page}
	for _, child := range cmd.Commands() {
		if !documented(child) || cmd.Name() == "completion" {
			continue
		}
		below, err := ManPages(child, release)
		if err != nil {
			return nil, err
		}
		pages = append(pages, below...)
	}
	return pages, nil
}

func manPage(cmd *cobra.Command, release Release) (install.Page, error) {
	var b bytes.Buffer
	header := &doc.GenManHeader{Section: "8", Date: &release.Date, Source: release.Source, Manual: cmd.Root().Name()}
	if err := doc.GenMan(cmd, header, &b); err != nil {
		return install.Page{}, fmt.Errorf("man page of %s: %w", cmd.CommandPath(), err)
	}
	extra := release.Every
	if !cmd.HasParent() {
		extra = release.Root + extra
	}
	content := bytes.Replace(b.Bytes(), []byte(".SH SEE ALSO"), []byte(extra+".SH SEE ALSO"), 1)
	return install.Page{Path: manDir + "/" + ManName(cmd), Content: content}, nil
}

// ManName is the name of the file with a command's man page.
func ManName(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".8"
}
