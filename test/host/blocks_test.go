package host

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mdserver/test/docs"
)

// sources is the directory with README.md, from here.
const sources = "../.."

// block is a block of shell commands in the documentation, character for character.
type block struct {
	place string // its file, the heading above it, and its number below that
	text  string
}

// coverage says which test runs a block, or why none does.
type coverage struct {
	test, why    string
	partOfReadme bool // README.md has the same text, and a test runs that
}

// covered has every block of the documentation.
var covered = map[string]coverage{
	"README.md#First guest#1": {test: "TestDebian12"},
	"README.md#First guest#2": {test: "TestDebian12"},
	"README.md#First guest#3": {test: "TestDebian12"},

	"docs/reference/http.md#Identity documents#1": {test: "TestDebian12"},

	"docs/tutorial/first-guest.md#1. Install the tools#1":                {partOfReadme: true},
	"docs/tutorial/first-guest.md#2. Install and start mdserver#1":       {partOfReadme: true},
	"docs/tutorial/first-guest.md#3. Boot a guest#1":                     {partOfReadme: true},
	"docs/tutorial/first-guest.md#4. Log in#1":                           {partOfReadme: true},
	"docs/tutorial/first-guest.md#3. Boot a guest#2":                     {why: "every other test lists guests"},
	"docs/tutorial/first-guest.md#5. Give the guest its own user-data#1": {test: "TestDebian13"},
	"docs/tutorial/first-guest.md#5. Give the guest its own user-data#2": {test: "TestDebian13"},
	"docs/tutorial/first-guest.md#Next#1":                                {why: "the end of TestDebian12 uninstalls with more checks"},

	"docs/howto/addresses.md#Find a guest's address#1":                 {test: "TestDebian13"},
	"docs/howto/addresses.md#Give a guest a fixed address#1":           {test: "TestDebian13"},
	"docs/howto/addresses.md#Reserve addresses#1":                      {test: "TestDebian13"},
	"docs/howto/addresses.md#See which addresses are free#1":           {test: "TestDebian13"},
	"docs/howto/automation.md#Get JSON#1":                              {test: "TestDebian13"},
	"docs/howto/automation.md#Get JSON#2":                              {test: "TestDebian13"},
	"docs/howto/automation.md#Select guests#1":                         {test: "TestDebian13"},
	"docs/howto/automation.md#Handle errors#1":                         {test: "TestDebian13"},
	"docs/howto/automation.md#Use the commands as another user#1":      {test: "TestDebian13"},
	"docs/howto/automation.md#Wait until a guest is registered#1":      {test: "TestDebian13"},
	"docs/howto/automation.md#Wait until a guest has booted#1":         {why: "TestDebian12 waits the same way, by README.md's block"},
	"docs/howto/automation.md#Ansible#1":                               {why: "the host of the test has no Ansible"},
	"docs/howto/automation.md#Ansible#2":                               {why: "the host of the test has no Ansible; TestAnsibleInventory of test/e2e runs a playbook"},
	"docs/howto/automation.md#Register a guest by hand#1":              {test: "TestDebian13"},
	"docs/howto/backup.md#Back up#1":                                   {test: "TestDebian13"},
	"docs/howto/backup.md#Restore#1":                                   {test: "TestDebian13"},
	"docs/howto/backup.md#Export and import guests#1":                  {why: "the script import of internal/cli exports and imports the same way"},
	"docs/howto/backup.md#Move to another host#1":                      {why: "there is one host; the script backup of internal/cli restores from standard input"},
	"docs/howto/dns.md#Resolve guests from the host#1":                 {test: "TestRemediesOnHost"},
	"docs/howto/dns.md#Resolve guests from the host#2":                 {test: "TestRemediesOnHost"},
	"docs/howto/dns.md#Set a guest's host name#1":                      {test: "TestDebian13"},
	"docs/howto/dns.md#Set NTP servers, search domains and the MTU#1":  {test: "TestDebian13"},
	"docs/howto/firewall.md#ufw#1":                                     {test: "TestDebian13"},
	"docs/howto/firewall.md#firewalld#1":                               {test: "TestFirewalld"},
	"docs/howto/fleet.md#Make certificates#1":                          {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Start the members#1":                          {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Start the members#2":                          {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Create the user#1":                            {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Back up etcd#1":                               {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Restore etcd#1":                               {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Replace a member#1":                           {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Replace a member#2":                           {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Recover from the loss of the majority#1":      {test: "TestEtcdGuide"},
	"docs/howto/fleet.md#Install etcd#1":                               {why: "scripts/install-deps installs the same packages"},
	"docs/howto/fleet.md#Share keys#1":                                 {why: "the script store_key of internal/cli makes a key the same way"},
	"docs/howto/fleet.md#Share keys#2":                                 {why: "the script store_key of internal/cli uses a file with two keys"},
	"docs/howto/fleet.md#Check the inventory#1":                        {why: "the script store_check of internal/cli checks the same way"},
	"docs/howto/fleet.md#Move guests into etcd#1":                      {why: "the script store_migrate of internal/cli moves guests the same way"},
	"docs/howto/fleet.md#Move guests into etcd#2":                      {why: "the script store_migrate of internal/cli changes the same key"},
	"docs/howto/fleet.md#Move guests into etcd#3":                      {why: "the script store_migrate of internal/cli does the same"},
	"docs/howto/fleet.md#Move guests back into the database#1":         {why: "the script store_migrate of internal/cli moves guests the same way"},
	"docs/howto/fleet.md#Upgrade a member#1":                           {why: "Debian has one version; TestEtcdGuide restarts members"},
	"docs/howto/harden.md#Check what is protected#1":                   {test: "TestDebian13"},
	"docs/howto/harden.md#Turn on port security#1":                     {test: "TestDebian13"},
	"docs/howto/harden.md#Check the units#1":                           {test: "TestDebian13"},
	"docs/howto/monitoring.md#Look at the metrics#1":                   {test: "TestDebian13"},
	"docs/howto/monitoring.md#Let Prometheus scrape them#1":            {test: "TestDebian13"},
	"docs/howto/reports.md#Ask guests to report#1":                     {test: "TestDebian12"},
	"docs/howto/reports.md#See the reports#1":                          {test: "TestDebian12"},
	"docs/howto/ssh.md#Connect to a guest#1":                           {why: "TestScripts/ssh of internal/cli connects the same way"},
	"docs/howto/ssh.md#Use ssh, scp and other programs#1":              {why: "TestScripts/ssh of internal/cli includes the entries"},
	"docs/howto/ssh.md#Let other users and machines know the guests#1": {why: "TestScripts/ssh of internal/cli uses the line"},
	"docs/howto/ssh.md#Let other users and machines know the guests#2": {why: "TestScripts/ssh of internal/cli replaces the key"},
	"docs/howto/ssh.md#See the host keys#1":                            {why: "TestScripts/ssh of internal/cli prints both"},
	"docs/howto/identity.md#In the service#1":                          {test: "TestDebian13"},
	"docs/howto/identity.md#In the service#2":                          {why: "TestDebian12 verifies a guest's document; this one needs the same files"},
	"docs/howto/install.md#Install#1":                                  {why: "TestDebian12 and TestDebian13 install, upgrade and uninstall with more checks"},
	"docs/howto/install.md#Install#2":                                  {why: "TestDebian12 and TestDebian13 install, upgrade and uninstall with more checks"},
	"docs/howto/install.md#Upgrade#1":                                  {why: "TestDebian12 and TestDebian13 install, upgrade and uninstall with more checks"},
	"docs/howto/install.md#Uninstall#1":                                {why: "TestDebian12 and TestDebian13 install, upgrade and uninstall with more checks"},
	"docs/howto/install.md#Uninstall#2":                                {why: "TestDebian12 and TestDebian13 install, upgrade and uninstall with more checks"},
	"docs/howto/logging.md#Change the level#1":                         {test: "TestDebian13"},
	"docs/howto/logging.md#Log JSON#1":                                 {test: "TestDebian13"},
	"docs/howto/logging.md#Log JSON#2":                                 {test: "TestDebian13"},
	"docs/howto/logging.md#Read the log#1":                             {why: "it follows the log without end"},
	"docs/howto/move.md#Move the server with all its guests#1":         {why: "there is one host; the script backup of internal/cli restores from standard input"},
	"docs/howto/move.md#Move one guest#1":                              {why: "the script instance of internal/cli removes guests"},
	"docs/howto/move.md#Move the database to another disk#1":           {why: "there is one disk"},
	"docs/howto/networks.md#Use libvirt's `default` network#1":         {test: "TestDebian13"},
	"docs/howto/networks.md#Use a network of mdserver's own#1":         {why: "the beginning of TestDebian13 does the same"},
	"docs/howto/networks.md#Add a further network#1":                   {test: "TestDebian13"},
	"docs/howto/networks.md#Use IPv6#1":                                {why: "TestGuestWithIPv6Alone of test/e2e has this configuration"},
	"docs/howto/networks.md#Run two servers on one host#1":             {why: "it runs without end; test/docs checks its configuration"},
	"docs/howto/ssh-keys.md#Give all guests a key#1":                   {test: "TestDebian13"},
	"docs/howto/upgrade.md#Step by step#1":                             {test: "TestDocumentedUpgrade"},
	"docs/howto/upgrade.md#dnsmasq#1":                                  {test: "TestDocumentedUpgrade"},
	"docs/howto/upgrade.md#The way back#1":                             {test: "TestDocumentedUpgrade"},
	"docs/howto/user-data.md#Give all guests the same user-data#1":     {test: "TestDebian13"},
	"docs/howto/user-data.md#Give a group of guests their user-data#1": {test: "TestDebian13"},
	"docs/howto/user-data.md#Test it before a guest boots#1":           {test: "TestDebian13"},
	"docs/howto/user-data.md#Run it again#1":                           {test: "TestDebian13"},
	"docs/howto/windows.md#1":                                          {why: "there is no Windows image to test with"},
	"docs/howto/windows.md#Get the administrator's password#1":         {why: "there is no Windows image to test with; the tests of internal/frontend/openstack post a password"},

	"docs/reference/images.md#Make an image recognize mdserver#1":           {why: "README.md has the same command with other options"},
	"docs/reference/images.md#Make an image recognize mdserver#2":           {test: "TestDebian13"},
	"docs/reference/metadata-keys.md#1":                                     {test: "TestDebian13"},
	"docs/reference/networks.md#Guests with an address in 169.254.0.0/16#1": {test: "TestDebian13"},
	"docs/reference/networks.md#Port security#1":                            {test: "TestDebian13"},
	"docs/reference/templates.md#Several parts#1":                           {test: "TestDebian13"},

	"CONTRIBUTING.md#The loop#1": {why: "it runs all tests, and these among them"},
	"CONTRIBUTING.md#Tests#1":    {why: "it breaks mdserver's own source, for minutes"},
}

// shells are the languages of blocks that a reader may paste.
var shells = []string{"sh", "bash", "shell", "console", "shell-session", "zsh"}

// shellBlocks returns the shell blocks of the documentation.
func shellBlocks() ([]block, error) {
	pages, err := docs.Read(sources)
	if err != nil {
		return nil, err
	}
	var all []block
	for _, page := range pages {
		if page.Path == "docs/reference/commands.md" {
			continue // written by the program: usage, and no commands to paste
		}
		numbers := map[string]int{}
		for _, b := range page.Blocks(shells...) {
			place := page.Path
			if b.Section != "" {
				place += "#" + b.Section
			}
			numbers[place]++
			all = append(all, block{fmt.Sprintf("%s#%d", place, numbers[place]), strings.TrimSuffix(b.Text, "\n")})
		}
	}
	return all, nil
}

// Each shell block of the documentation is run by a test, or has a reason why not.
func TestEveryShellBlockIsCovered(t *testing.T) {
	blocks, err := shellBlocks()
	if err != nil || len(blocks) < 10 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	missing := maps.Clone(covered)
	for _, b := range blocks {
		if _, ok := covered[b.place]; !ok {
			t.Errorf("%s: no test runs this block; run it in test/host, or say in the table there why not:\n%s", b.place, b.text)
		}
		delete(missing, b.place)
	}
	for place := range missing {
		t.Errorf("the table has %s, and the documentation does not", place)
	}
	tests := testsHere(t)
	for place, c := range covered {
		if !c.partOfReadme && (c.test == "") == (c.why == "") {
			t.Errorf("%s: want a test or a reason", place)
		}
		if c.test != "" && !tests[c.test] {
			t.Errorf("%s: there is no test %s", place, c.test)
		}
	}
}

// testsHere are the tests of this directory.
func testsHere(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
	}
	return found
}
