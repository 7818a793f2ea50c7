package template

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/account"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/config"
	"mdserver/internal/shell"
	"mdserver/internal/tree"
	"mdserver/internal/userdata"
	"mdserver/internal/visible"
	"mdserver/stpl"
)

// Problem is one finding of a check; its fields are its JSON.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // 0 if it is with the file as a whole
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Source  string `json:"source,omitempty"` // text of the line
}

// warningKind is the kind of a problem that does not keep a template from running.
const warningKind = "Warning"

func (p *Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s: %s", p.File, p.Kind, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Kind, p.Message)
}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE|DIR...",
		Short: "Check templates for errors",
		Example: `  mdserver template check /etc/mdserver/userdata
  mdserver template check web1.yaml base.yaml`,
		Long: `Compile templates, all files of a directory and its folders, and list each
construct that will not run, with its line and the reason. If there is a
configuration, unknown variables are listed, too. Check a file that others include
together with its directory.

The exit code is 1 if a template has an error; warnings do not count.`,
		Args: command.AtLeast(1),
	}
	return view.Report(cmd, problemsView, func(cmd *cobra.Command, paths []string) ([]Problem, error) {
		cfg, err := checkedConfig(cmd)
		if err != nil {
			return nil, err
		}
		problems := []Problem{}
		for _, path := range paths {
			found, err := Check(path, cfg)
			if err != nil {
				return nil, err
			}
			problems = append(problems, found...)
		}
		return problems, nil
	})
}

var problemsView = view.View[[]Problem]{
	Text: func(w io.Writer, problems []Problem) error {
		for _, p := range problems {
			state := "error"
			if p.Kind == warningKind {
				state = "warning"
			}
			output.Printf(w, "%s\n", output.Paint(p.String(), state))
			if p.Source != "" {
				output.Printf(w, "    %s\n", p.Source)
			}
		}
		return nil
	},
	Sheet: func(problems []Problem) view.Sheet {
		s := view.Sheet{Columns: []string{"FILE", "LINE", "KIND", "MESSAGE"}, Wide: []string{"SOURCE"}}
		for _, p := range problems {
			s.Rows = append(s.Rows, []string{p.File, strconv.Itoa(p.Line), p.Kind, p.Message, p.Source})
		}
		return s
	},
	Wrong: func(problems []Problem) bool {
		return slices.ContainsFunc(problems, func(p Problem) bool { return p.Kind != warningKind })
	},
}

// checkedConfig is the configuration that tells which variables there are, or
// nil if there is none or it is not for this user to read.
func checkedConfig(cmd *cobra.Command) (*config.Config, error) {
	named := command.ConfigNamed(cmd)
	if !named && !command.IsFile(command.ConfigFile(cmd, nil)) {
		return nil, nil
	}
	cfg, err := command.LoadConfig(cmd)
	if !named && errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	return cfg, err
}

// Check checks a file, or all files of a directory that are named
// like templates. With a configuration it knows which variables and included
// files there are.
func Check(path string, cfg *config.Config) ([]Problem, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, exit.With(exit.Unreadable, err)
	}
	c := &checker{}
	opts := userdata.TemplateOptions()
	if cfg != nil {
		c.known = userdata.Names(cfg)
		opts.Roots = append([]string{cfg.Server.UserdataDir, filepath.Join(cfg.Server.UserdataDir, "views")}, cfg.Server.TemplatePath...)
	}
	if info.IsDir() {
		opts.Roots = append(opts.Roots, path, filepath.Join(path, "views"))
	}
	c.engine = stpl.New(opts)
	if info.IsDir() {
		c.dir(path, ".", nil)
		if cfg != nil && sameFile(path, cfg.Server.UserdataDir) {
			c.unreadableByServer(path, cfg.Server.Database)
		}
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, exit.With(exit.Unreadable, err)
		}
		defer f.Close()
		c.file(path, f)
	}
	for _, s := range c.sources {
		for _, bad := range c.engine.Check(s.path, s.body, c.known) {
			c.problems = append(c.problems, problemOf(bad, s.path, s.body))
		}
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return c.problems, nil
}

// problemOf is an error in a template as it is reported, with the text of its line
// if it is in this file.
func problemOf(bad *stpl.Error, file, text string) Problem {
	p := Problem{File: bad.File, Line: bad.Line, Kind: bad.Kind, Message: bad.Message}
	if bad.File == file {
		p.Source = textLine(text, bad.Line)
	}
	return p
}

// textLine is a line of a text, counted from 1, without its indentation. It is
// empty if there is no such line.
func textLine(text string, number int) string {
	for line := range strings.Lines(text) {
		if number--; number == 0 {
			return visible.Limit(strings.TrimSpace(line), output.MaxValue)
		}
	}
	return ""
}

type source struct{ path, body string }

type checker struct {
	engine   *stpl.Engine
	known    stpl.Names // variables, with those that one template may give another
	sources  []source
	problems []Problem
}

func (c *checker) unreadable(path string, err error) {
	c.problems = append(c.problems, Problem{File: path, Kind: "OSError", Message: err.Error()})
}

// unreadableByServer finds files that the server's user, who owns the database,
// cannot read, such as copies that root has made.
func (c *checker) unreadableByServer(dir, database string) {
	server, err := account.OwnerOf(filepath.Dir(database))
	if err != nil {
		return // there is no server here yet
	}
	for _, f := range server.Unreadable(dir, leftover) {
		c.unreadable(f.Path, fmt.Errorf("the server's user %s cannot read it: chgrp %d %s && chmod g+r %[3]s", server.Name, server.GID, shell.Quote(f.Path)))
	}
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// dir checks what is below a directory, opened as the server opens it. The
// directories around it are not entered again by a link.
func (c *checker) dir(root, name string, around []os.FileInfo) {
	path := filepath.Join(root, name)
	entries, err := os.ReadDir(path)
	if err != nil {
		c.unreadable(path, err)
		return
	}
	for _, entry := range entries {
		if !leftover(entry.Name()) {
			c.entry(root, filepath.Join(name, entry.Name()), around)
		}
	}
}

func (c *checker) entry(root, name string, around []os.FileInfo) {
	path := filepath.Join(root, name)
	f, err := tree.Open(root, name)
	if err != nil {
		c.unreadable(path, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		c.unreadable(path, err)
	case !info.IsDir():
		c.file(path, f)
	case !slices.ContainsFunc(around, func(other os.FileInfo) bool { return os.SameFile(info, other) }):
		c.dir(root, name, append(slices.Clip(around), info))
	}
}

func (c *checker) file(path string, f io.Reader) {
	data, err := io.ReadAll(f)
	if err != nil {
		c.unreadable(path, err)
		return
	}
	if userdata.HasMark(string(data)) {
		c.problems = append(c.problems, Problem{File: path, Line: 1, Kind: warningKind, Message: userdata.MarkWarning})
	}
	body, raw, err := userdata.Raw(path, string(data), false)
	if bad, ok := errors.AsType[*stpl.Error](err); ok {
		c.problems = append(c.problems, problemOf(bad, path, string(data)))
	}
	if raw || err != nil {
		return
	}
	c.sources = append(c.sources, source{path, body})
	if c.known != nil {
		for _, name := range c.engine.Bound(path, body) {
			c.known[name] = true
		}
	}
}

// leftover reports whether a file is not a template: editors, version control and
// package managers leave files of such names behind.
func leftover(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") {
		return true
	}
	ext := filepath.Ext(name)
	switch ext {
	case ".bak", ".orig", ".rej", ".swp", ".swo", ".tmp", ".old", ".rpmsave", ".rpmnew", ".rpmorig":
		return true
	}
	return strings.HasPrefix(ext, ".dpkg-") || strings.HasPrefix(ext, ".ucf-")
}
