package install

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"mdserver/packaging"
)

// policy says what happens to a file that is there already and is not ours.
type policy int

const (
	owned   policy = iota // kept, with our version beside it as .new
	conf                  // the same, and Uninstall leaves it in place
	example               // kept, and that is all; not created again once deleted
)

// item is one file to install.
type item struct {
	path    string
	mode    fs.FileMode
	group   bool // belongs to the group of mdserver's user
	policy  policy
	content []byte

	// original recognises the Python mdserver's file at this path, which is then
	// set aside.
	original func(content []byte) bool
}

const (
	etcDir      = "/etc/mdserver"
	userdataDir = etcDir + "/userdata"
	stateDir    = "/var/lib/mdserver"
	runDir      = "/run/mdserver"
	hooksDir    = "/etc/libvirt/hooks"
	hookPath    = hooksDir + "/qemu.d/mdserver"
	unitDir     = "/etc/systemd/system"
	logFile     = "/var/log/mdserver.log"

	serverUnit  = "mdserver.service"
	dnsmasqUnit = "mdserver-dnsmasq.service"

	launcherUnit = "mdserver-launcher.service"
)

func programPath(prefix string) string  { return prefix + "/bin/mdserver" }
func shareDir(prefix string) string     { return prefix + "/share/mdserver" }
func networkPath(prefix string) string  { return shareDir(prefix) + "/mds-network.xml" }
func manifestPath(prefix string) string { return shareDir(prefix) + "/install.json" }

// makePlan lists all files, the program first: everything else refers to it.
func makePlan(o Options) ([]item, error) {
	program, err := os.ReadFile(o.Executable)
	if err != nil {
		return nil, fmt.Errorf("read the program to install: %w", err)
	}
	plan := []item{
		{path: programPath(o.Prefix), mode: 0o755, content: program, original: isOriginalProgram},
	}
	share := shareDir(o.Prefix)
	for _, f := range []struct {
		source string
		item
	}{
		{"etc/mdserver.conf", item{path: etcDir + "/mdserver.conf", mode: 0o640, group: true, policy: conf}},
		{"userdata/base.yaml", item{path: userdataDir + "/base.yaml", mode: 0o640, group: true, policy: example}},
		{"systemd/mdserver.service", item{path: unitDir + "/" + serverUnit, mode: 0o644, original: isOriginalServerUnit}},
		{"systemd/mdserver-dnsmasq.service", item{path: unitDir + "/" + dnsmasqUnit, mode: 0o644, original: isOriginalDnsmasqUnit}},
		{"systemd/mdserver-launcher.service", item{path: unitDir + "/" + launcherUnit, mode: 0o644}},
		{"tmpfiles.d/mdserver.conf", item{path: "/etc/tmpfiles.d/mdserver.conf", mode: 0o644}},
		{"logrotate.d/mdserver", item{path: "/etc/logrotate.d/mdserver", mode: 0o644}},
		{"libvirt/qemu.d/mdserver", item{path: hookPath, mode: 0o755}},
		{"libvirt/mds-network.xml", item{path: networkPath(o.Prefix), mode: 0o644}},
		{"userdata/README.md", item{path: share + "/userdata/README.md", mode: 0o644}},
		{"userdata/base.yaml", item{path: share + "/userdata/base.yaml", mode: 0o644}},
		{"userdata/jinja.yaml", item{path: share + "/userdata/jinja.yaml", mode: 0o644}},
	} {
		content, err := packaging.Read(f.source)
		if err != nil {
			return nil, err
		}
		f.content = o.adapt(content)
		plan = append(plan, f.item)
	}
	for _, page := range o.Manual {
		plan = append(plan, item{path: path.Join(o.Prefix, page.Path), mode: 0o644, content: page.Content})
	}
	return plan, nil
}

// adapt turns a packaged file, made for /usr/local and the user mdserver, into
// that of another prefix and user.
func (o Options) adapt(content []byte) []byte {
	for _, r := range [][2]string{
		{"/usr/local/bin/mdserver", programPath(o.Prefix)},
		{"/usr/local/share/mdserver", shareDir(o.Prefix)},
		{"User=mdserver\nGroup=mdserver\n", "User=" + o.User + "\nGroup=" + o.User + "\n"},
		{"--client mdserver ", "--client " + o.User + " "},
		{"0640 mdserver mdserver", "0640 " + o.User + " " + o.User},
	} {
		content = bytes.ReplaceAll(content, []byte(r[0]), []byte(r[1]))
	}
	return content
}

// directory is one directory to make. Parents come before children.
type directory struct {
	path        string
	mode        fs.FileMode
	user, group bool // belongs to mdserver's user, or to its group
}

func (o Options) directories() []directory {
	var list []directory
	for _, page := range o.Manual {
		dir := directory{path: path.Join(o.Prefix, path.Dir(page.Path)), mode: 0o755}
		if !slices.Contains(list, dir) {
			list = append(list, dir)
		}
	}
	return append(list, fixedDirectories(o.Prefix)...)
}

func fixedDirectories(prefix string) []directory {
	return []directory{
		{path: prefix + "/bin", mode: 0o755},
		{path: shareDir(prefix), mode: 0o755},
		{path: shareDir(prefix) + "/userdata", mode: 0o755},
		{path: etcDir, mode: 0o750, group: true},
		{path: userdataDir, mode: fs.ModeSetgid | 0o750, group: true}, // so that the server can read root's new files
		{path: etcDir + "/mdserver.conf.d", mode: fs.ModeSetgid | 0o750, group: true},
		{path: stateDir, mode: 0o751, user: true, group: true}, // dnsmasq's user passes through it
		{path: stateDir + "/" + sharedDir, mode: 0o750, user: true, group: true},
		{path: "/etc/tmpfiles.d", mode: 0o755},
		{path: "/etc/logrotate.d", mode: 0o755},
		{path: unitDir, mode: 0o755},
		{path: hooksDir + "/qemu.d", mode: 0o755},
	}
}
