package archive

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

// dictionary has what most boots have in common. A file is read with the
// dictionary that it was written with, so a change of it needs another heading.
const dictionary = `"at":"2026-11-24T12:00:00.123456789Z","kind":"phone-home","source":"server","kind":"host-keys","source":"guest","kind":"ssh","source":"hook"` +
	`,"name":"openstack network","detail":"GET /openstack/2018-08-27/network_data.json","name":"token","detail":"PUT /latest/api/token"` +
	`,"name":"vendor-data","detail":"GET /openstack/latest/vendor_data.json","name":"nocloud metadata","detail":"GET /nocloud/meta-data"` +
	`,"name":"ec2 metadata","detail":"GET /2021-03-23/meta-data/instance-id","name":"user-data","detail":"GET /latest/user-data"` +
	`"name":"modules-final/config-scripts_per_once","result":"FAIL","name":"modules-config/config-set_passwords","result":"WARN"` +
	`"name":"init-network/config-users_groups","detail":"running config- with frequency once-per-instance","result":"SUCCESS","seconds":0.0` +
	`"kind":"stopped","source":"libvirt","detail":"shut down","kind":"started","source":"libvirt","kind":"dhcp","source":"dnsmasq","name":"DHCPDISCOVER"` +
	`"name":"DHCPOFFER","name":"DHCPREQUEST","name":"DHCPACK","detail":"on network mds","revision":12345},{"at":"2026-11-24T12:00:00` +
	`"kind":"request","source":"metadata","name":"","detail":"GET /openstack/latest/meta_data.json","status":200,"count":2,"revision":` +
	`"number":12,"began":"","ended":"","verdict":{"state":""},"reached":{"lease":"2026-11-24T12:00:00","metadata":"2026","user_data":"2026","ssh":"2026"},"last_sign":"2026` +
	`"user_data":"","vendor_data":"","template":"/etc/mdserver/userdata/","entries":[{"at":"2026-`

// deflaters are flate.Writers for boots; one takes much memory to make.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriterDict(nil, flate.BestCompression, []byte(dictionary)) // the level is valid
	return w
}}

func deflate(data []byte) []byte {
	var out bytes.Buffer // to which writes do not fail
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

// mostUnpacked bounds what a record becomes, in bytes.
const mostUnpacked = 4 << 20

// inflaters are readers of flate; one takes much memory to make.
var inflaters = sync.Pool{New: func() any { return flate.NewReaderDict(nil, nil) }}

func inflate(packed []byte) ([]byte, error) {
	r := inflaters.Get().(io.Reader)
	defer inflaters.Put(r)
	_ = r.(flate.Resetter).Reset(bytes.NewReader(packed), []byte(dictionary)) // it has both, and the error is always nil
	data, err := io.ReadAll(io.LimitReader(r, mostUnpacked+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("boots: %w", err)
	case len(data) > mostUnpacked:
		return nil, fmt.Errorf("boots: %w", errDamaged)
	}
	return data, nil
}

// pack makes the record of a boot.
func pack(guest uuid.UUID, b api.Boot) (bootRecord, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return bootRecord{}, err
	}
	userdata, _ := keyOf(b.Userdata)
	vendordata, _ := keyOf(b.Vendordata)
	return bootRecord{guest, int32(b.Number), b.Began.UnixNano(), userdata, vendordata, deflate(text)}, nil
}

// unpack reads the boot of a record.
func (r bootRecord) unpack() (api.Boot, error) {
	var b api.Boot
	text, err := inflate(r.packed)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	switch {
	case err != nil:
		return b, err
	case int32(b.Number) != r.number:
		return b, errDamaged
	}
	return b, nil
}
