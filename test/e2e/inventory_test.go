//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// serveSSH runs OpenSSH's server in a guest. It lets the key's owner in as root.
func serveSSH(t *testing.T, l *lab.Lab, g *lab.Guest, publicKey string) {
	t.Helper()
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // as Debian's unit does
		t.Fatal(err)
	}
	hostKey := l.Path("ssh_host_key_" + g.Label)
	if out, err := l.Host.Output(suite.ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", hostKey); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	keys, err := l.WriteFile("authorized_keys", publicKey+"\n")
	if err != nil {
		t.Fatal(err)
	}
	config, err := l.WriteFile("sshd_config_"+g.Label, fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s\n"+
		"PermitRootLogin prohibit-password\nUsePAM no\nStrictModes no\nPidFile none\nSubsystem sftp internal-sftp\n", hostKey, keys))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Start("sshd-"+g.Label, nil, "/usr/sbin/sshd", "-D", "-e", "-f", config); err != nil {
		t.Fatal(err)
	}
}

// tagged is a guest with tags.
func tagged(name string, n int, tags string) string {
	return fmt.Sprintf(`<domain type="kvm"><name>%s</name><uuid>4f2c8f0e-6a0b-4d0e-9d6e-%012d</uuid>`+
		`<metadata><m:instance xmlns:m="urn:md_server:domain_metadata"><m:tags>%s</m:tags></m:instance></metadata>`+
		`<devices><interface type="network"><mac address="52:54:00:4a:0c:%02x"/><source network="mds"/></interface></devices></domain>`,
		name, n, tags, n)
}

// playbook runs on the guests that it selects, and writes down what it sees.
const playbook = `
- hosts: tag_role_web:&network_mds:!state_off
  gather_facts: false
  tasks:
    - name: look at the guest's address
      ansible.builtin.command: ip -brief address show dev eth0
      register: shown
      changed_when: false
    - name: the inventory has the guest's address
      ansible.builtin.assert:
        that:
          - mdserver_ipv4 ~ '/' in shown.stdout
          - mdserver_name == inventory_hostname
    - name: write down a tag
      ansible.builtin.copy:
        content: "{{ mdserver_tags.note }}"
        dest: "{{ results }}/{{ inventory_hostname }}"
`

// Debian's Ansible runs a playbook on guests by an inventory script of two lines.
func TestAnsibleInventory(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	key, public, err := l.NewSSHKey(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	// What a tag says is no template for Ansible to run.
	note := fmt.Sprintf("{{ lookup('pipe', 'touch %s') }}", l.Path("forged"))
	for i, name := range []string{"web1", "web2"} {
		uploadXML(t, s, tagged(name, i+1, "<m:role>web</m:role><m:note>"+note+"</m:note>"))
		guest, _ := boot(t, l, show(t, s, name))
		serveSSH(t, l, guest, public)
	}
	uploadXML(t, s, tagged("db1", 3, "<m:role>db</m:role>")) // there is no such guest to reach

	script := l.Path("guests")
	text := fmt.Sprintf("#!/bin/sh\nexec %s --config %s inventory --ansible \"$@\"\n", suite.binary, s.ConfigFile)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	book, err := l.WriteFile("site.yml", playbook)
	if err != nil {
		t.Fatal(err)
	}
	results := l.Path("results")
	if err := os.Mkdir(results, 0o755); err != nil {
		t.Fatal(err)
	}
	ansible := func(program string, args ...string) string {
		cmd := l.Host.Command(suite.ctx, program, append([]string{"--inventory", script}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+l.Path("home"), "ANSIBLE_HOST_KEY_CHECKING=no", "ANSIBLE_PRIVATE_KEY_FILE="+key,
			"ANSIBLE_REMOTE_TMP="+l.Path("remote"), "ANSIBLE_SSH_RETRIES=10", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
		if strings.Contains(string(out), "WARNING") {
			t.Errorf("%s warns:\n%s", program, out)
		}
		return string(out)
	}
	contains(t, "the groups", ansible("ansible-inventory", "--graph"),
		"@mdserver:", "@network_mds:", "@state_unknown:", "@tag_role_db:", "@tag_role_web:\n  |  |--web1\n  |  |--web2")
	contains(t, "the playbook", ansible("ansible-playbook", "--extra-vars", "results="+results, book),
		"web1", "web2", "failed=0", "unreachable=0")
	for _, name := range []string{"web1", "web2"} {
		got, err := os.ReadFile(filepath.Join(results, name))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the tag of "+name, string(got), note)
	}
	if _, err := os.Stat(filepath.Join(results, "db1")); err == nil {
		t.Error("the playbook ran on db1")
	}
	if _, err := os.Stat(l.Path("forged")); err == nil {
		t.Error("Ansible ran the template of a tag")
	}
}
