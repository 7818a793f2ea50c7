package instance

import (
	"encoding/json"
	"testing"
)

// A record as versions before wrote it to the database. It is read, and written
// again as it was.
const earlierRecord = `{"instance_id":"i-0123456789abcdef0","name":"web1","hostname":"web1","uuid":"7e5a544d-d555-4133-a443-8229415be701",` +
	`"location":"here","metadata":{"values":{"rack":"four"},"tags":{"role":"web"}},"network":"mds","mac":"52:54:00:09:00:01",` +
	`"interfaces":[{"mac":"52:54:00:09:00:01","network":"mds"}],"disks":[{"target":"vda","bus":"virtio","device":"disk"}],` +
	`"ipv4":"10.122.0.5","ipv6":"","further":[{"network":"other","mac":"52:54:00:09:00:02","ipv4":"10.123.0.5","ipv6":""}],` +
	`"vcpus":2,"memory":2147483648,"arch":"x86_64","password":"c2VjcmV0","presence":{"state":"present","since":"2024-03-01T12:00:00Z"},` +
	`"first_seen":"2024-03-01T12:00:00Z","last_update":"2024-03-01T12:00:00Z","seen":{"hook":"2024-03-01T12:00:00Z"}}`

func TestEarlierRecord(t *testing.T) {
	var guest Instance
	if err := json.Unmarshal([]byte(earlierRecord), &guest); err != nil {
		t.Fatal(err)
	}
	if want := (Hardware{VCPUs: 2, Memory: 2 << 30, Arch: "x86_64"}); guest.Hardware != want {
		t.Errorf("hardware %+v, want %+v", guest.Hardware, want)
	}
	again, err := json.Marshal(guest)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != earlierRecord {
		t.Errorf("written as\n%s\nwant\n%s", again, earlierRecord)
	}
}

func TestHardwareFacts(t *testing.T) {
	if facts := (Hardware{}).Facts(); len(facts) != 0 {
		t.Errorf("of nothing: %v", facts)
	}
	facts := Hardware{VCPUs: 4, Memory: 3 << 29, Arch: "aarch64"}.Facts()
	want := []HardwareFact{{"CPUs", "4"}, {"memory", "1536 MiB"}, {"architecture", "aarch64"}}
	if len(facts) != len(want) || facts[0] != want[0] || facts[1] != want[1] || facts[2] != want[2] {
		t.Errorf("%v, want %v", facts, want)
	}
}
