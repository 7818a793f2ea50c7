package install

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"mdserver/internal/config"
)

// dropIn is the configuration that start writes. The sample configuration
// includes its directory.
const dropIn = etcDir + "/mdserver.conf.d/50-install.conf"

var (
	networkName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}$`)
	publicKey   = regexp.MustCompile(`^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\x00-\x1f\x7f]*)?$`)
)

func checkKey(key string) error {
	if !publicKey.MatchString(key) {
		return errors.New("SSH key: must be one line of a public key, as in a file ~/.ssh/id_ed25519.pub: TYPE BASE64 COMMENT")
	}
	return nil
}

// loadConfig reads the configuration. One that is missing, as in a dry run on a
// fresh host, is that of an empty file.
func (j *job) loadConfig() (*config.Config, error) {
	cfg, _, err := j.Load(etcDir + "/mdserver.conf")
	if errors.Is(err, fs.ErrNotExist) {
		return config.Default(), nil
	}
	return cfg, err
}

// configure writes the network and the keys into the configuration. What the
// administrator has set stays.
func (j *job) configure() error {
	cfg, err := j.loadConfig()
	if err != nil {
		return fmt.Errorf("start: the configuration is not valid:\n%w", err)
	}
	j.port = cfg.Server.Port
	j.served = chooseNetworks(j.Start.Network, cfg)
	j.compareBackend(cfg)
	lacks := j.lacks(cfg)
	if len(lacks) == 0 {
		j.report.add(Unchanged, "configuration", "it has the network and the keys")
		return nil
	}
	old, err := j.tree.Read(dropIn)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = []byte("# Written by \"mdserver install --start\". What is set here takes precedence over\n# mdserver.conf. \"mdserver uninstall\" removes this file unless you changed it.\n")
	case err != nil:
		return fmt.Errorf("start: %w", err)
	case sum(old) != j.manifest.Files[dropIn].SHA256:
		j.report.add(Kept, dropIn, "you changed it")
		j.report.find("the file "+dropIn+" was changed; add these lines to it", lines(lacks)...)
		return nil
	}
	if err := j.writeDropIn(extend(string(old), lacks)); err != nil || j.DryRun {
		return err
	}
	return j.verify()
}

// part is lines of one section.
type part struct {
	section string
	lines   []string
}

// lines are parts as they stand in a file.
func lines(parts []part) []string {
	var all []string
	for _, p := range parts {
		all = append(append(all, "["+p.section+"]"), p.lines...)
	}
	return all
}

// extend adds parts to a file, in which a section may be only once.
func extend(text string, parts []part) string {
	for _, p := range parts {
		head, body := "["+p.section+"]\n", strings.Join(p.lines, "\n")+"\n"
		if before, after, found := strings.Cut(text, "\n"+head); found {
			text = before + "\n" + head + body + after
		} else {
			text += "\n" + head + body
		}
	}
	return text
}

// lacks is what the configuration lacks to serve the network and to have the keys.
func (j *job) lacks(cfg *config.Config) []part {
	return append(j.lacksNetwork(cfg), j.lacksKeys(cfg)...)
}

func (j *job) writeDropIn(content string) error {
	action := Created
	if j.has(dropIn) {
		action = Replaced
	}
	return j.put(item{content: []byte(content), mode: 0o640, group: true}, dropIn, action, "the network and the keys")
}

// verify makes sure that the server reads what was written: a configuration of the
// Python mdserver need not include the directory.
func (j *job) verify() error {
	cfg, err := j.loadConfig()
	if err != nil {
		return fmt.Errorf("start: the configuration is not valid with %s:\n%w", dropIn, err)
	}
	if lacks := j.lacks(cfg); len(lacks) > 0 {
		j.report.find(etcDir+"/mdserver.conf does not include "+dropIn+"; add these lines to it", lines(lacks)...)
	}
	return nil
}

// lacksNetwork finds the network that was asked for and is not configured.
// There is none if the configuration decided.
func (j *job) lacksNetwork(cfg *config.Config) []part {
	n := j.served[0]
	_, configured := networkOf(cfg, n.name)
	switch {
	case configured:
		return nil
	case n.libvirt:
		return []part{{"network " + n.name, []string{"backend = libvirt"}}}
	}
	return []part{{"dnsmasq", []string{"net_name = " + n.name}}}
}

// compareBackend reports a network that the administrator has set up otherwise
// than start would.
func (j *job) compareBackend(cfg *config.Config) {
	name := j.Start.Network
	if n, configured := networkOf(cfg, name); configured && name != ownNetwork && n.Backend != config.BackendLibvirt {
		j.report.add(Kept, "network "+name, "your configuration has it with another backend, "+n.Backend)
	}
}

// lacksKeys names the first key default unless there is one of that name: the
// built-in template installs that.
func (j *job) lacksKeys(cfg *config.Config) []part {
	names, keys := map[string]bool{}, map[string]bool{}
	for _, k := range cfg.PublicKeys {
		names[k.Name], keys[k.Key] = true, true
	}
	var lines []string
	for _, key := range j.Start.Keys {
		if keys[key] {
			continue
		}
		name := "default"
		for n := 2; names[name]; n++ {
			name = fmt.Sprintf("key%d", n)
		}
		names[name], keys[key] = true, true
		lines = append(lines, name+" = "+strings.ReplaceAll(key, "%", "%%"))
	}
	if len(lines) == 0 {
		return nil
	}
	return []part{{"public-keys", lines}}
}
