package cli

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"mdserver/internal/config"
	"mdserver/internal/install"
)

// fromOriginal tells what will be different after an upgrade from the original,
// in order of weight: templates that will not run, keys that mean something
// else, and what belongs to the original on the host below root. It is empty
// unless the configuration is one of the original's that was not taken over.
func fromOriginal(c *config.Config, root string) []finding {
	list := []finding{}
	if _, err := os.Stat(c.Server.Database); !c.OfOriginal() || !errors.Is(err, fs.ErrNotExist) {
		return list
	}
	list = append(list, templateFindings(c)...)
	for _, w := range c.Differences() {
		list = append(list, finding{File: w.File, Line: w.Line, Key: w.Key, Text: w.Text, whole: w.String()})
	}
	for _, f := range install.FindOriginal(root) {
		list = append(list, finding{File: f.Path, Text: f.Text, whole: f.Path + ": " + f.Text})
	}
	return list
}

// templateFindings are the problems of all templates that guests can get.
func templateFindings(c *config.Config) []finding {
	var list []finding
	for _, path := range []string{c.Server.DefaultTemplate, c.Server.UserdataDir} {
		if path == "" {
			continue
		}
		problems, err := checkTemplates(path, c)
		if err != nil {
			list = append(list, finding{File: path, Text: "templates not checked: " + err.Error(), whole: "templates not checked: " + err.Error()})
		}
		for _, p := range problems {
			f := finding{File: p.File, Line: p.Line, Text: p.Kind + ": " + p.Message, whole: p.String()}
			if !slices.Contains(list, f) { // a default template in the directory
				list = append(list, f)
			}
		}
	}
	return list
}
