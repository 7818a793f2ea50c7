package cli

import (
	"bytes"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"mdserver/internal/config"
	"mdserver/internal/install"
)

// manDir is where man pages are, below the prefix.
const manDir = "share/man/man8"

// manual is what comes with the program, for the prefix that it is installed to:
// man pages, and completion for the usual shells.
func manual() ([]install.Page, error) {
	pages, err := manPages()
	if err != nil {
		return nil, err
	}
	root := newRoot()
	for _, shell := range []struct {
		path  string
		write func(*bytes.Buffer) error
	}{
		{"share/bash-completion/completions/mdserver", func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) }},
		{"share/zsh/site-functions/_mdserver", func(b *bytes.Buffer) error { return root.GenZshCompletion(b) }},
		{"share/fish/vendor_completions.d/mdserver.fish", func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) }},
	} {
		var b bytes.Buffer
		if err := shell.write(&b); err != nil {
			return nil, fmt.Errorf("shell completion: %w", err)
		}
		pages = append(pages, install.Page{Path: shell.path, Content: b.Bytes()})
	}
	return pages, nil
}

// manPages returns the man pages of all commands. Their date is that of the
// release, so that the same program always writes the same pages.
func manPages() ([]install.Page, error) {
	date, err := time.Parse(time.DateOnly, config.ReleaseDate)
	if err != nil {
		date = time.Unix(0, 0).UTC() // a build that knows no date
	}
	var pages []install.Page
	var add func(cmd *cobra.Command) error
	add = func(cmd *cobra.Command) error {
		var b bytes.Buffer
		header := &doc.GenManHeader{Section: "8", Date: &date, Source: "mdserver " + config.Version, Manual: "mdserver"}
		if err := doc.GenMan(cmd, header, &b); err != nil {
			return fmt.Errorf("man page of %s: %w", cmd.CommandPath(), err)
		}
		extra := exitCodesMan()
		if !cmd.HasParent() {
			extra = manRest + extra
		}
		content := bytes.Replace(b.Bytes(), []byte(".SH SEE ALSO"), []byte(extra+".SH SEE ALSO"), 1)
		pages = append(pages, install.Page{Path: manDir + "/" + manName(cmd), Content: content})
		for _, child := range cmd.Commands() {
			if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() || cmd.Name() == "completion" {
				continue
			}
			if err := add(child); err != nil {
				return err
			}
		}
		return nil
	}
	return pages, add(newRoot())
}

// manRest is what the help of the root command does not tell.
const manRest = `.SH ENVIRONMENT
.TP
.B ` + envConfig + `
The configuration, if the flag \-\-config is not given.
.TP
.B ` + envSocket + `
The control socket, if the flag \-\-socket is not given.

.SH FILES
.TP
.I /etc/mdserver/mdserver.conf
The configuration. "mdserver config default" explains every key.
.TP
.I /etc/mdserver/userdata/
User-data templates of the guests, by name or MAC address.
.TP
.I /var/lib/mdserver/mdserver.db
The database of guests.
.TP
.I /run/mdserver/mdserver.sock
The control socket, for the commands and libvirt's hook.
.TP
.I /var/log/mdserver.log
The log.

`
