package userdata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mdserver/internal/instance"
)

// maxTemplate bounds a template file, in bytes.
const maxTemplate = 4 << 20

// maxName is the longest name that is looked for, in bytes. It may have
// directories in it.
const maxName = 1024

// builtin serves guests for which there is no template at all.
const builtin = `#cloud-config
hostname: {{!hostname}}
fqdn: {{!hostname}}.localdomain
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

// search finds the template of a guest, or tells at least what it watched, in
// the original's order: the file that
// the domain's metadata names, and no other if it names one; else the file
// called like the domain, then like its MAC address; then the default
// template; then the built-in one.
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
		return template{watched: watched}, fmt.Errorf("%w: userdata_prefix %.100q", ErrNoTemplate, prefix)
	}
	if r.defaultTemplate != "" {
		watched = append(watched, takeFingerprint(r.defaultTemplate))
		text, err := readFile(os.OpenFile(r.defaultTemplate, readFlags, 0))
		if err == nil {
			return template{r.defaultTemplate, text, watched}, nil
		}
		r.log.Error("the default template cannot be read, the built-in one is used", "error", err)
	}
	return template{builtinName, builtin, watched}, nil
}

// firstOf reads the first file below the user-data directory that has one of
// the names with one of the suffixes. Whatever a name holds, no file outside
// that directory is reached.
func (r *Renderer) firstOf(names []string) (template, []fingerprint, error) {
	var watched []fingerprint
	root, err := os.OpenRoot(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return template{}, []fingerprint{takeFingerprint(r.dir)}, nil
	}
	if err != nil {
		return template{}, []fingerprint{takeFingerprint(r.dir)}, fmt.Errorf("user-data directory: %w", err)
	}
	defer root.Close()
	for _, name := range names {
		if name == "" || len(name) > maxName {
			continue
		}
		for _, suffix := range r.suffixes {
			path := filepath.Join(r.dir, name+suffix)
			watched = append(watched, takeFingerprint(path))
			text, err := readFile(root.OpenFile(name+suffix, readFlags, 0))
			switch {
			case err == nil:
				return template{path, text, watched}, watched, nil
			case errors.Is(err, fs.ErrPermission):
				return template{}, watched, fmt.Errorf("template: %w", err)
			case !errors.Is(err, fs.ErrNotExist):
				r.log.Warn("not usable as a template", "file", path, "error", err)
			}
		}
	}
	return template{}, watched, nil
}

// readFlags keep the open of a FIFO from waiting for its writer.
const readFlags = os.O_RDONLY | syscall.O_NONBLOCK

func readFile(f *os.File, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a regular file", f.Name())
	case info.Size() > maxTemplate:
		return "", fmt.Errorf("%s has %d bytes, accepted: at most %d", f.Name(), info.Size(), maxTemplate)
	}
	var text strings.Builder
	text.Grow(int(info.Size()))
	_, err = io.Copy(&text, io.LimitReader(f, maxTemplate))
	return text.String(), err
}
