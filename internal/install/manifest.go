package install

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// manifest remembers what was installed. It lies where only root can write:
// Uninstall acts on it.
type manifest struct {
	Files       map[string]file `json:"files"`                  // by path
	Directories []string        `json:"directories,omitempty"`  // that we made
	CreatedUser string          `json:"created_user,omitempty"` // that we made

	CreatedDnsmasqUser string `json:"created_dnsmasq_user,omitempty"`

	Undo [][]string `json:"undo,omitempty"` // commands that undo what start did, in the order of the steps

	path   string
	exists bool
}

// file is one installed file.
type file struct {
	SHA256 string `json:"sha256"`           // of what we brought, even where another file was kept
	Config bool   `json:"config,omitempty"` // stays when mdserver is uninstalled
}

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}

func loadManifest(t *tree, path string) (*manifest, error) {
	m := &manifest{Files: map[string]file{}, path: path}
	content, err := t.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(content, m)
	}
	if err != nil {
		return nil, fmt.Errorf("the list of installed files, %s: %w", path, err)
	}
	m.exists = true
	if m.Files == nil {
		m.Files = map[string]file{}
	}
	return m, nil
}

func (m *manifest) save(t *tree) error {
	content, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("the list of installed files: %w", err)
	}
	content = append(content, '\n')
	if old, err := t.read(m.path); err == nil && string(old) == string(content) {
		return nil
	}
	return t.write(m.path, content, 0o644, noOwner, noOwner)
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
