package configuration

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"mdserver/internal/cli/template"
	"mdserver/internal/config"
	"mdserver/internal/config/original"
	"mdserver/internal/install"
)

// fromOriginal lists what will be different after an upgrade from the Python
// mdserver, in order of weight: templates that will not run, keys that mean
// something else, and what belongs to the Python mdserver on the host below root.
// It is empty unless the configuration can be one of the Python mdserver's that
// was not imported. Keys that are not set count only if the configuration is
// certainly the Python mdserver's: if sure is true, or if its files are on the
// host.
func fromOriginal(c *config.Config, root string, sure bool) []finding {
	list := []finding{}
	if !sure && (!c.OfOriginal() || !absent(c.Server.Database)) {
		return list
	}
	files := install.FindOriginal(root)
	sure = sure || len(files) > 0 || !absent(c.Server.DBFile)
	list = append(list, templateFindings(c, sure)...)
	for _, w := range original.Differences(c) {
		if sure || w.File != "" {
			list = append(list, finding{File: w.File, Line: w.Line, Key: w.Key, Text: w.Text, whole: w.String()})
		}
	}
	for _, f := range files {
		list = append(list, finding{File: f.Path, Text: f.Text, whole: f.Path + ": " + f.Text})
	}
	return list
}

// absent reports whether there is no such file. One that this user may not look
// for may be there.
func absent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// templateFindings are the problems of all templates that guests can get. Missing
// ones are reported if missing is set.
func templateFindings(c *config.Config, missing bool) []finding {
	var list []finding
	for _, path := range []string{c.Server.DefaultTemplate, c.Server.UserdataDir} {
		if path == "" || !missing && absent(path) {
			continue
		}
		problems, err := template.Check(path, c)
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
