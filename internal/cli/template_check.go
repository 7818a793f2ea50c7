package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/stpl"
	"mdserver/internal/tree"
)

// templateProblem is one finding of a check; its fields are its JSON.
type templateProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // 0 if it is with the file as a whole
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// warningKind is the kind of a problem with which the template runs.
const warningKind = "Warning"

func (p *templateProblem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s: %s", p.File, p.Kind, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Kind, p.Message)
}

func templateCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE|DIR...",
		Short: "Tell what in templates will not run",
		Long: `Compile templates, all files of a directory and its folders, and list every
construct in them that will not run: where it is, and why. The exit code is 1 if
there is one; warnings do not count.`,
		Args: args(cobra.MinimumNArgs(1)),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		problems := []templateProblem{}
		for _, path := range paths {
			found, err := checkTemplates(path)
			if err != nil {
				return err
			}
			problems = append(problems, found...)
		}
		if *asJSON {
			if err := printJSON(cmd.OutOrStdout(), problems); err != nil {
				return err
			}
		} else {
			for _, p := range problems {
				printf(cmd.OutOrStdout(), "%s\n", &p)
			}
		}
		if slices.ContainsFunc(problems, func(p templateProblem) bool { return p.Kind != warningKind }) {
			return &exitError{code: exitFailure}
		}
		return nil
	}
	return cmd
}

// checkTemplates checks a file, or all files of a directory that are named
// like templates.
func checkTemplates(path string) ([]templateProblem, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	c := &templateChecker{engine: stpl.New(stpl.Options{})}
	if info.IsDir() {
		c.dir(path, ".", nil)
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		c.file(path, f)
	}
	return c.problems, nil
}

func problemOf(bad *stpl.Error) templateProblem {
	return templateProblem{bad.File, bad.Line, bad.Kind, bad.Message}
}

type templateChecker struct {
	engine   *stpl.Engine
	problems []templateProblem
}

func (c *templateChecker) unreadable(path string, err error) {
	c.problems = append(c.problems, templateProblem{path, 0, "OSError", err.Error()})
}

// dir checks what is below a directory, opened as the server opens it. The
// directories around it are not entered again by a link.
func (c *templateChecker) dir(root, name string, around []os.FileInfo) {
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

func (c *templateChecker) entry(root, name string, around []os.FileInfo) {
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

func (c *templateChecker) file(path string, f io.Reader) {
	data, err := io.ReadAll(f)
	if err != nil {
		c.unreadable(path, err)
		return
	}
	if stpl.HasMark(string(data)) {
		c.problems = append(c.problems, templateProblem{path, 1, warningKind, stpl.MarkWarning})
	}
	body, raw, err := stpl.Raw(path, string(data), false)
	if bad, ok := errors.AsType[*stpl.Error](err); ok {
		c.problems = append(c.problems, problemOf(bad))
	}
	if raw || err != nil {
		return
	}
	for _, bad := range c.engine.Check(path, body) {
		c.problems = append(c.problems, problemOf(bad))
	}
}

// leftover reports whether a file is none that somebody wrote as a template:
// editors, version control and package managers leave such names behind.
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
