package userdata

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mdserver/internal/instance"
	"mdserver/internal/tree"
)

// maxTemplate bounds a template file, in bytes.
const maxTemplate = 4 << 20

// maxName is the longest name that is looked for, in bytes. It may have
// directories in it.
const maxName = 1024

// builtin is for guests without any template. %s is the guest's full name.
const builtin = `#cloud-config
hostname: {{!hostname}}
fqdn: %s
manage_etc_hosts: true
% if public_keys:
ssh_authorized_keys:
% for name in sorted(public_keys):
  - {{!public_keys[name]}}
% end
% end
`

// builtinName is how the built-in template is called in messages.
const builtinName = "(built-in)"

// template is the text that serves a guest, and every path whose state
// decided that it does.
type template struct {
	name    string // the file's path, or builtinName
	text    string
	watched []fingerprint // taken before the file was read
}

// search finds the template of a guest, or returns at least what it watched, in
// the Python mdserver's order: the file that the domain's metadata names, and no
// other if it names one; else the file with the domain's name, then with its MAC
// address; then the default template; then the built-in one.
func (r *Renderer) search(guest *instance.Instance) (template, error) {
	prefix, insists := guest.Metadata.UserdataPrefix()
	names := []string{guest.Name, guest.MAC.String()}
	if insists {
		names = []string{prefix}
	}
	found, watched, err := r.firstOf(names)
	if err != nil || found.name != "" {
		found.watched = watched
		return found, err
	}
	if insists {
		return template{watched: watched}, fmt.Errorf("%w: userdata_prefix %.100q; tried %s", ErrNoTemplate, prefix, r.tried(prefix))
	}
	if r.defaultTemplate != "" {
		watched = append(watched, takeFingerprint(r.defaultTemplate))
		text, err := readFile(tree.OpenPath(r.defaultTemplate))
		switch {
		case err == nil:
			return template{r.defaultTemplate, text, watched}, nil
		case !errors.Is(err, fs.ErrNotExist):
			return template{watched: watched}, fmt.Errorf("default_template: %w", err)
		}
		r.log.Error("no default template is set; the built-in one is used", "error", err)
	}
	return template{builtinName, r.builtin(guest), watched}, nil
}

// builtin is the built-in template for a guest. A guest without a domain gets the
// Python mdserver's.
func (r *Renderer) builtin(guest *instance.Instance) string {
	domain := cmp.Or(r.domains[guest.Network], "localdomain")
	return strings.Replace(builtin, "%s", instance.FQDN(guest.Hostname, domain), 1)
}

// firstOf reads the first file below the user-data directory that has one of
// the names with one of the suffixes. Only links lead out of that directory,
// see package tree. A file that is there but cannot be read is an error: the
// guest must not get another document in its place.
func (r *Renderer) firstOf(names []string) (template, []fingerprint, error) {
	var watched []fingerprint
	for _, name := range names {
		if name == "" || len(name) > maxName {
			continue
		}
		for _, suffix := range r.suffixes {
			path := filepath.Join(r.dir, name+suffix)
			watched = append(watched, takeFingerprint(path))
			text, err := readFile(tree.Open(r.dir, name+suffix))
			switch {
			case err == nil:
				return template{path, text, watched}, watched, nil
			case errors.Is(err, errDirectory):
				r.log.Warn("a directory, not a template", "directory", path)
			case !errors.Is(err, fs.ErrNotExist):
				return template{}, watched, fmt.Errorf("template: %w", err)
			}
		}
	}
	return template{}, watched, nil
}

// tried lists for messages the files that a name can mean.
func (r *Renderer) tried(name string) string {
	if name == "" || len(name) > maxName {
		return "nothing: the name is empty or too long"
	}
	var paths []string
	for _, suffix := range r.suffixes {
		paths = append(paths, filepath.Join(r.dir, name+suffix))
	}
	return strings.Join(paths, ", ")
}

// errDirectory says that a name is that of a directory, which may stand beside
// a file with a suffix.
var errDirectory = errors.New("a directory, not a file")

func readFile(f *os.File, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", fmt.Errorf("%s is %w", f.Name(), errDirectory)
	case info.Size() > maxTemplate:
		return "", fmt.Errorf("%s has %d bytes, accepted: at most %d", f.Name(), info.Size(), maxTemplate)
	}
	var text strings.Builder
	text.Grow(int(info.Size()))
	_, err = io.Copy(&text, io.LimitReader(f, maxTemplate))
	return text.String(), err
}
