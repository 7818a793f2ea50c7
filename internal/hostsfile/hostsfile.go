// Package hostsfile tells which names a hosts file has. Source: hosts(5).
package hostsfile

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxSize is how much of a file is read.
const maxSize = 4 << 20

// File is a hosts file, which is read again when it has changed. It is safe for
// concurrent use. Make one with New.
type File struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex // of what follows
	stamp stamp      // of what was read
	names map[string][]netip.Addr
}

// stamp tells one state of a file from another.
type stamp struct {
	size     int64
	modified time.Time
}

// New makes a File. Nothing is read before the first Lookup.
func New(path string, log *slog.Logger) *File { return &File{path: path, log: log} }

// Lookup gives the addresses of a name, in lower case, or none. A file that
// cannot be read has no names; that is logged once for each state of the file.
func (f *File) Lookup(name string) []netip.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.look()
	if f.names == nil || now != f.stamp {
		f.stamp, f.names = now, f.read()
	}
	return f.names[name]
}

func (f *File) look() stamp {
	info, err := os.Stat(f.path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}

func (f *File) read() map[string][]netip.Addr {
	data, err := readFile(f.path)
	switch {
	case os.IsNotExist(err):
	case err != nil:
		f.log.Warn("the hosts file cannot be read: its names may be given to guests", "path", f.path, "error", err)
	case len(data) > maxSize:
		f.log.Warn("the hosts file is too large: names at its end may be given to guests", "path", f.path, "read_bytes", maxSize)
	}
	return Parse(data)
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxSize+1))
}

// Parse reads the names of a hosts file, in lower case, and their addresses. Other
// lines are ignored, and so is the unspecified address, which block lists use for
// names without an address.
func Parse(data []byte) map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxSize)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil || addr.IsUnspecified() {
			continue
		}
		addr = addr.Unmap().WithZone("")
		for _, name := range fields[1:] {
			name = strings.TrimSuffix(strings.ToLower(name), ".")
			if !slices.Contains(names[name], addr) {
				names[name] = append(names[name], addr)
			}
		}
	}
	return names
}
