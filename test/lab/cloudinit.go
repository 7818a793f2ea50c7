package lab

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

//go:embed cloudinit.sh
var cloudInitScript []byte

// cloudInitConfig makes cloud-init ask our address as EC2 and leave the
// interface as the DHCP client set it up. The modules are Debian's own list
// without those that partition, mount or install.
const cloudInitConfig = `datasource_list: [Ec2]
datasource:
  Ec2: {max_wait: 10, timeout: 5, strict_id: false, metadata_urls: ['http://` + MetadataAddr + `']}
network: {config: disabled}
ssh_genkeytypes: [ed25519]
cloud_init_modules: [migrator, seed_random, bootcmd, write-files, set_hostname,
  update_hostname, update_etc_hosts, ca-certs, users-groups, ssh]
cloud_config_modules: [ssh-import-id, set-passwords, timezone, disable-ec2-metadata, runcmd]
cloud_final_modules: [scripts-vendor, scripts-per-once, scripts-per-boot, scripts-per-instance,
  scripts-user, ssh-authkey-fingerprints, keys-to-console, final-message]
`

// CloudInit is what a run of cloud-init left behind.
type CloudInit struct {
	Hostname   string   // the kernel's, after the run
	InstanceID string   // as cloud-init stored it
	Errors     []string // result.json
	Warnings   []string // lines of cloud-init.log above INFO
	Log        string
	Output     string        // what it printed
	Crawl      time.Duration // reading the metadata, by cloud-init's own clock
	Datasource time.Duration // the whole search for the datasource
	Total      time.Duration // all four stages

	dir string
}

// RunCloudInit boots cloud-init in the guest, all four stages, on the root file
// system that scripts/build-chroot made. The guest must have its address.
func (g *Guest) RunCloudInit(ctx context.Context, root string) (*CloudInit, error) {
	work := "cloudinit-" + g.Label
	script, err := g.lab.WriteFile(filepath.Join(work, "run"), string(cloudInitScript))
	if err != nil {
		return nil, err
	}
	config, err := g.lab.WriteFile(filepath.Join(work, "lab.cfg"), cloudInitConfig)
	if err != nil {
		return nil, err
	}
	result := &CloudInit{dir: g.lab.Path(work, "results")}
	began := time.Now()
	result.Output, err = g.Output(ctx, "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child",
		"bash", script, root, config, result.dir)
	result.Total = time.Since(began)
	if err != nil {
		return nil, fmt.Errorf("cloud-init: %w\n%s", err, result.Output)
	}
	return result, result.read()
}

// File returns a file that the run left in the guest: an authorized_keys file,
// or anything in /var/lib/lab, the directory for what user-data writes.
func (c *CloudInit) File(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, path))
	return string(text), err
}

func (c *CloudInit) read() error {
	var errs []error
	file := func(path string) string {
		text, err := c.File(path)
		errs = append(errs, err)
		return text
	}
	c.Hostname = strings.TrimSpace(file("hostname"))
	c.InstanceID = strings.TrimSpace(file("var/lib/cloud/data/instance-id"))
	c.Log = file("var/log/cloud-init.log")
	outcome := file("run/cloud-init/result.json")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var doc struct {
		V1 struct{ Errors []string }
	}
	if err := json.Unmarshal([]byte(outcome), &doc); err != nil {
		return fmt.Errorf("result.json: %w", err)
	}
	c.Errors = doc.V1.Errors
	for line := range strings.Lines(c.Log) {
		for _, level := range []string{"[WARNING]", "[ERROR]", "[CRITICAL]"} {
			if strings.Contains(line, level) {
				c.Warnings = append(c.Warnings, strings.TrimSpace(line))
			}
		}
	}
	c.Crawl = crawlTime(c.Log)
	c.Datasource = span(c.Log, "start: init-network/search-Ec2", "finish: init-network/search-Ec2")
	return nil
}

var crawlLine = regexp.MustCompile(`Crawl of metadata service took ([0-9.]+) seconds`)

// crawlTime is what cloud-init says of reading the metadata, or 0.
func crawlTime(log string) time.Duration {
	m := crawlLine.FindStringSubmatch(log)
	if m == nil {
		return 0
	}
	d, _ := time.ParseDuration(m[1] + "s")
	return d
}

// span is the time between the first lines of the log that hold these texts,
// or 0.
func span(log, start, finish string) time.Duration {
	began, ended := stamp(log, start), stamp(log, finish)
	if began.IsZero() || ended.IsZero() {
		return 0
	}
	return ended.Sub(began)
}

func stamp(log, text string) time.Time {
	const layout = "2006-01-02 15:04:05,000"
	for line := range strings.Lines(log) {
		if len(line) > len(layout) && strings.Contains(line, text) {
			t, _ := time.Parse(layout, line[:len(layout)])
			return t
		}
	}
	return time.Time{}
}
