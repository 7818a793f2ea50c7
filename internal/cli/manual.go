package cli

import (
	"time"

	"mdserver/internal/build"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/manual"
	"mdserver/internal/install"
)

// manualPages returns what comes with the program: man pages, and completion for the
// usual shells.
func manualPages() ([]install.Page, error) {
	pages, err := manPages()
	if err != nil {
		return nil, err
	}
	completions, err := manual.Completions(newRoot())
	return append(pages, completions...), err
}

// manPages returns the man pages of all commands.
func manPages() ([]install.Page, error) {
	date, err := time.Parse(time.DateOnly, build.Date)
	if err != nil {
		date = time.Unix(0, 0).UTC() // a build that knows no date
	}
	return manual.ManPages(newRoot(), manual.Release{Source: "mdserver " + build.Version, Date: date, Every: exitCodesMan(), Root: manRest})
}

// reference is the reference of all commands in Markdown: docs/reference/commands.md.
func reference() string { return manual.Reference(newRoot(), environment) + errorCodesMarkdown() }

// environment is the part of the reference on environment variables.
const environment = `## Environment variables

| variable | in place of |
|---|---|
| ` + "`" + command.EnvConfig + "`" + ` | the flag ` + "`--config`" + ` |
| ` + "`" + command.EnvSocket + "`" + ` | the flag ` + "`--socket`" + ` |

A flag takes precedence over its variable.

`

// manRest is what the help of the root command does not tell.
const manRest = `.SH ENVIRONMENT
.TP
.B ` + command.EnvConfig + `
The configuration, if the flag \-\-config is not given.
.TP
.B ` + command.EnvSocket + `
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
