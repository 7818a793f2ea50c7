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
	"strconv"
	"strings"
	"time"
)

//go:embed cloudinit.sh
var cloudInitScript []byte

// asClone makes cloud-init ask our address as EC2 and leave the interface as
// the DHCP client set it up.
const asClone = `datasource_list: [Ec2]
datasource:
  Ec2: {max_wait: 10, timeout: 5, strict_id: false, metadata_urls: ['http://` + MetadataAddr + `']}
network: {config: disabled}
`

// byItself leaves the datasource to the guest, and keeps a test that has gone
// wrong from waiting for minutes.
const byItself = `datasource:
  Ec2: {max_wait: 10, timeout: 5}
  OpenStack: {max_wait: 10, timeout: 5}
`

// cloudInitModules are Debian's own without those that partition, mount or
// install.
const cloudInitModules = `ssh_genkeytypes: [ed25519]
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
	Status     string   // what "cloud-init status --wait --long" printed
	StatusCode string   // its exit code
	Log        string
	Output     string        // what it printed
	Source     string        // the datasource, as result.json names it
	Crawl      time.Duration // reading the metadata, by cloud-init's own clock
	Datasource time.Duration // the whole search for the datasource
	Total      time.Duration // all four stages
	Flushing   time.Duration // how long stages ended later because of reports, and their processes' own ends

	dir string
}

// Firmware is what a guest's SMBIOS tells it, by the names of the files in
// /sys/class/dmi/id: product_uuid, product_serial, product_name, ….
type Firmware map[string]string

// RunCloudInit boots cloud-init in the guest as a clone of EC2, all four
// stages, on the root file system that `scripts/build-image chroot` made. The guest
// must have its address.
func (g *Guest) RunCloudInit(ctx context.Context, root string) (*CloudInit, error) {
	return g.runCloudInit(ctx, root, asClone)
}

// BootCloudInit boots cloud-init in a guest with this firmware. As in a real
// one, ds-identify finds out where it runs, cloud-init's first stage asks for
// an address by DHCP where it needs one, and ifupdown sets up the network that
// cloud-init has written down. A guest with NoCloud must have its address.
func (g *Guest) BootCloudInit(ctx context.Context, root string, firmware Firmware) (*CloudInit, error) {
	dmi := filepath.Join("cloudinit-"+g.Label, "dmi")
	for name, value := range firmware {
		if _, err := g.lab.WriteFile(filepath.Join(dmi, name), value+"\n"); err != nil {
			return nil, err
		}
	}
	return g.runCloudInit(ctx, root, byItself, g.lab.Path(dmi))
}

func (g *Guest) runCloudInit(ctx context.Context, root, datasource string, dmi ...string) (*CloudInit, error) {
	work := "cloudinit-" + g.Label
	script, err := g.lab.WriteFile(filepath.Join(work, "run"), string(cloudInitScript))
	if err != nil {
		return nil, err
	}
	config, err := g.lab.WriteFile(filepath.Join(work, "lab.cfg"), datasource+cloudInitModules)
	if err != nil {
		return nil, err
	}
	result := &CloudInit{dir: g.lab.Path(work, "results")}
	began := time.Now()
	args := append([]string{"--mount", "--uts", "--pid", "--fork", "--kill-child", "bash", script, root, config, result.dir}, dmi...)
	result.Output, err = g.Output(ctx, "unshare", args...)
	result.Total = time.Since(began)
	if err != nil {
		log, _ := result.File("var/log/cloud-init.log")
		return result, fmt.Errorf("cloud-init: %w\n%s\n%s", err, result.Output, log)
	}
	return result, result.read()
}

// File returns a file that the run left in the guest: an authorized_keys file,
// or anything in /var/lib/lab, the directory for what user-data writes.
func (c *CloudInit) File(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, path))
	return string(text), err
}

// Ended is when the last stage ended, by cloud-init's log; zero if it did not. The times
// in status.json are counted from the guest's start in newer releases.
func (c *CloudInit) Ended() time.Time {
	log, err := c.File("var/log/cloud-init.log")
	if err != nil {
		return time.Time{}
	}
	return stamp(log[max(0, strings.LastIndex(log, lastBoot)):], "finish: modules-final:")
}

// lastBoot begins a boot in the log.
const lastBoot = "running 'init-local'"

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
	c.Status, c.StatusCode = file("status"), strings.TrimSpace(file("status-code"))
	outcome := file("run/cloud-init/result.json")
	err := errors.Join(errs...)
	if err != nil {
		return err
	}
	var doc struct {
		V1 struct {
			Datasource string
			Errors     []string
		}
	}
	if err := json.Unmarshal([]byte(outcome), &doc); err != nil {
		return fmt.Errorf("result.json: %w", err)
	}
	c.Errors, c.Source = doc.V1.Errors, doc.V1.Datasource
	for line := range strings.Lines(c.Log) {
		for _, level := range []string{"[WARNING]", "[ERROR]", "[CRITICAL]"} {
			if strings.Contains(line, level) {
				c.Warnings = append(c.Warnings, strings.TrimSpace(line))
			}
		}
	}
	if c.Flushing, err = flushTime(c.Log, file("stages")); err != nil {
		return err
	}
	c.Crawl = crawlTime(c.Log)
	c.Datasource = searchTime(c.Log)
	return nil
}

// searchTime is how long the stage that found the datasource searched for it:
// the first stage if that needs no network, else the second one.
func searchTime(log string) time.Duration {
	found := foundLine.FindStringSubmatch(log)
	if found == nil {
		return 0
	}
	return span(log, "start: "+found[1], "finish: "+found[1])
}

var foundLine = regexp.MustCompile(`finish: (init-(?:local|network)/search-\w+): SUCCESS: found`)

// flushTime sums up the time from where cloud-init waits for its reports to be sent
// until the stage's process has ended, which stages tells for each, in seconds.
func flushTime(log, stages string) (time.Duration, error) {
	ends := strings.Fields(stages)
	var total time.Duration
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "flushing remaining events") {
			continue
		}
		began, err := time.ParseInLocation(stampLayout, line[:len(stampLayout)], time.UTC)
		if err != nil {
			return 0, err
		}
		for _, text := range ends {
			seconds, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return 0, err
			}
			if end := time.UnixMicro(int64(seconds * 1e6)); end.After(began) {
				total += end.Sub(began)
				break
			}
		}
	}
	return total, nil
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

// stampLayout is how lines of the log begin.
const stampLayout = "2006-01-02 15:04:05,000"

func stamp(log, text string) time.Time {
	for line := range strings.Lines(log) {
		if len(line) > len(stampLayout) && strings.Contains(line, text) {
			t, _ := time.Parse(stampLayout, line[:len(stampLayout)])
			return t
		}
	}
	return time.Time{}
}
