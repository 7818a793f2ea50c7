package openstack

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
)

// seedSize is how much randomness a guest gets, in bytes; Nova gives as much.
const seedSize = 512

// metaData is meta_data.json. The comments say since which version Nova has a
// field; older versions lack it here, too.
type metaData struct {
	UUID             string            `json:"uuid"`
	Name             string            `json:"name"`
	Hostname         string            `json:"hostname"`
	LaunchIndex      int               `json:"launch_index"`
	AvailabilityZone string            `json:"availability_zone"`
	Meta             map[string]string `json:"meta,omitempty"`
	PublicKeys       map[string]string `json:"public_keys,omitempty"`
	Keys             []key             `json:"keys,omitempty"`
	RandomSeed       string            `json:"random_seed,omitempty"` // 2013-04-04
	ProjectID        string            `json:"project_id,omitempty"`  // 2015-10-15
	Devices          []device          `json:"devices,omitempty"`     // 2016-06-30

	// DedicatedCPUs, from 2020-10-14 on, are the guest's CPUs that have one of
	// the host's to themselves. None is known to have.
	DedicatedCPUs *[]int `json:"dedicated_cpus,omitempty"`
}

type key struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
}

// device describes hardware that has a name of its own. Bus and address are
// the guest's view, which only libvirt knows: "none", as in Nova.
type device struct {
	Type    string   `json:"type"`
	Bus     string   `json:"bus"`
	Address string   `json:"address"`
	MAC     string   `json:"mac,omitempty"`
	Serial  string   `json:"serial,omitempty"`
	Tags    []string `json:"tags"`
}

func (f *Frontend) serveMetadata(q request) {
	doc := metadata.New(q.guest, f.site)
	answer := describe(&doc, q.version)
	if atLeast(q.version, "2013-04-04") {
		seed := make([]byte, seedSize)
		if _, err := io.ReadFull(f.random, seed); err == nil {
			answer.RandomSeed = base64.StdEncoding.EncodeToString(seed)
		}
	}
	serveJSON(q.w, answer)
}

func describe(doc *metadata.Document, version string) metaData {
	m := metaData{
		UUID:             identity(doc),
		Name:             doc.Name,
		Hostname:         doc.Hostname,
		AvailabilityZone: doc.Location,
		Meta:             userMetadata(doc),
		PublicKeys:       map[string]string{},
	}
	for _, k := range doc.PublicKeys {
		m.PublicKeys[k.Name] = k.Key
		m.Keys = append(m.Keys, key{Name: k.Name, Type: "ssh", Data: k.Key})
	}
	if atLeast(version, "2015-10-15") {
		m.ProjectID = project(doc)
	}
	if atLeast(version, "2016-06-30") {
		m.Devices = devices(doc)
	}
	if atLeast(version, "2020-10-14") {
		m.DedicatedCPUs = &[]int{}
	}
	return m
}

// identity is what cloud-init uses as the instance-id. It is the domain's UUID, so
// that a guest knows its identity at a reboot without a request, until it gets
// another instance-id.
func identity(doc *metadata.Document) string {
	derived := instance.DeriveID(doc.UUID)
	if doc.InstanceID == derived || len(doc.InstanceID) != len(derived) {
		return doc.UUID.String() // also for a guest of the Python mdserver's database
	}
	return uuid.NewSHA1(doc.UUID, []byte(doc.InstanceID)).String()
}

// project is one for all guests of a network, in Nova's spelling.
func project(doc *metadata.Document) string {
	return strings.ReplaceAll(uuid.NewSHA1(uuid.NameSpaceDNS, []byte("project "+doc.Network.Name)).String(), "-", "")
}

// userMetadata is the domain's metadata without what mdserver itself understands;
// tags go before other keys of the same name.
func userMetadata(doc *metadata.Document) map[string]string {
	meta := instance.Free(doc.Values)
	maps.Copy(meta, doc.Tags)
	return meta
}

func devices(doc *metadata.Document) []device {
	var list []device
	for _, nic := range doc.Interfaces {
		d := device{Type: "nic", Bus: "none", Address: "none", MAC: nic.MAC.String(), Tags: []string{}}
		if nic.Network != "" {
			d.Tags = append(d.Tags, nic.Network)
		}
		list = append(list, d)
	}
	for _, disk := range doc.Disks {
		if disk.Serial != "" {
			list = append(list, device{Type: "disk", Bus: "none", Address: "none", Serial: disk.Serial, Tags: []string{disk.Target}})
		}
	}
	return list
}

func (f *Frontend) serveVendorData(q request) {
	rendered, err := f.userdata.VendorJSON(q.r.Context(), q.guest, httpcommon.FromCloudInit(q.r))
	if err != nil {
		httpcommon.Refuse(q.w, http.StatusInternalServerError, "Vendordata templating failure for "+q.guest.Hostname)
		return
	}
	httpcommon.Bytes(q.w, "application/json", rendered.Body)
}

func (*Frontend) serveNothing(q request) { serveJSON(q.w, struct{}{}) }

func serveJSON(w http.ResponseWriter, value any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		httpcommon.Refuse(w, http.StatusInternalServerError, "Metadata failure")
		return
	}
	httpcommon.Bytes(w, "application/json", body.Bytes())
}
