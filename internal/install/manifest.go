package install

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"mdserver/internal/install/rootfs"
)

// manifest remembers what was installed and, in leftRecord, what an earlier
// Uninstall has left. It lies where only root can write: Uninstall acts on it.
type manifest struct {
	Prefix      string          `json:"prefix,omitempty"`
	Files       map[string]file `json:"files"`                  // by path
	Directories []string        `json:"directories,omitempty"`  // that we made
	CreatedUser string          `json:"created_user,omitempty"` // that we made

	CreatedDnsmasqUser string `json:"created_dnsmasq_user,omitempty"`

	Undo [][]string `json:"undo,omitempty"` // commands that undo what start did, in the order of the steps

	// Withdrawn are the libvirt networks without entries of the server any more.
	Withdrawn []string     `json:"withdrawn,omitempty"`
	Aside     []string     `json:"aside,omitempty"` // files of the Python mdserver that mdserver does not replace
	Units     []formerUnit `json:"units,omitempty"` // of the Python mdserver, as they were

	// Original: the files of the Python mdserver are back. Configuration and data
	// belong to it, too.
	Original bool `json:"original,omitempty"`

	installed bool
	left      bool // by an earlier Uninstall
}

// leftRecord is the manifest of what Uninstall has left, for a later purge. The
// state directory would be no place for it: that is the server's user's.
const leftRecord = etcDir + "/uninstalled.json"

// file is one installed file.
type file struct {
	SHA256 string `json:"sha256"`           // of what we brought, even where another file was kept
	Config bool   `json:"config,omitempty"` // stays when mdserver is uninstalled
}

func sum(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

// loadManifest reads the manifest of what is installed below a prefix or, if
// that was uninstalled, of what is left of it.
func loadManifest(t *rootfs.Tree, prefix string, uid int) (*manifest, error) {
	m := &manifest{Files: map[string]file{}}
	err := m.load(t, manifestPath(prefix))
	switch {
	case err == nil:
		m.Prefix, m.installed = prefix, true
		return m, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	left, err := loadLeft(t, uid)
	if err != nil {
		return nil, err
	}
	if left != nil && left.Prefix == prefix {
		return left, nil
	}
	return &manifest{Prefix: prefix, Files: map[string]file{}}, nil
}

// loadLeft reads the record of what is left. It is nil if there is none.
func loadLeft(t *rootfs.Tree, uid int) (*manifest, error) {
	info, err := t.Lstat(leftRecord)
	if err != nil || info == nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 || rootfs.RightsOf(info).UID != uid && rootfs.RightsOf(info).UID != 0 {
		return nil, fmt.Errorf("%s must be a file that only root can write; remove it", leftRecord)
	}
	m := &manifest{Files: map[string]file{}, left: true}
	return m, m.load(t, leftRecord)
}

func (m *manifest) load(t *rootfs.Tree, path string) error {
	content, err := t.Read(path)
	if err == nil {
		err = json.Unmarshal(content, m)
	}
	if err != nil {
		return fmt.Errorf("the list of installed files, %s: %w", path, err)
	}
	if m.Files == nil {
		m.Files = map[string]file{}
	}
	return nil
}

func (m *manifest) save(t *rootfs.Tree) error { return m.store(t, manifestPath(m.Prefix), 0o644) }

func (m *manifest) store(t *rootfs.Tree, path string, mode fs.FileMode) error {
	content, _ := json.MarshalIndent(m, "", "  ") // no field can fail
	content = append(content, '\n')
	if old, err := t.Read(path); err == nil && string(old) == string(content) {
		return nil
	}
	return t.Write(path, content, mode, rootfs.NoOwner, rootfs.NoOwner)
}

// empty reports whether nothing was made yet.
func (m *manifest) empty() bool {
	return len(m.Files) == 0 && len(m.Directories) == 0 && m.CreatedUser == "" && m.CreatedDnsmasqUser == ""
}

// paths lists the files in order.
func (m *manifest) paths() []string { return slices.Sorted(maps.Keys(m.Files)) }

// made notes directories that we made.
func (m *manifest) made(directories []string) {
	for _, d := range directories {
		if !slices.Contains(m.Directories, d) {
			m.Directories = append(m.Directories, d)
		}
	}
	slices.SortFunc(m.Directories, strings.Compare)
}
