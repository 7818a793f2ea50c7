package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mdserver/internal/config"
)

// What is said of a guest's SMBIOS: nothing, or the state and a part of it.
func TestDetects(t *testing.T) {
	const plainID, awsID, swappedID = "7e5a544d-d555-4133-a443-8229415be701", "ec2a544d-d555-4133-a443-8229415be701", "45e12aec-dcd1-4213-94ed-012345abcdef"
	tests := []struct {
		uuid, entry, value, imds string
		state                    State
		want                     string
	}{
		{plainID, "product", "OpenStack Nova", "optional", OK, ""},
		{plainID, "serial", "ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net", "optional", OK, ""},
		{plainID, "serial", "ds=nocloud-net;s=http://169.254.169.254/nocloud/", "optional", OK, ""},
		{plainID, "serial", "ds=nocloud;s=http://169.254.169.254/nocloud/", "optional", Warning, "before 23.2"},
		{plainID, "serial", "4711", "optional", Wrong, "names no datasource"},
		{awsID, "serial", awsID, "optional", OK, ""},
		{awsID, "serial", awsID, "off", Wrong, "needs tokens"},
		{awsID, "serial", "4711", "optional", Wrong, "cloud-init before 24.2"},
		{awsID, "product", "OpenStack Nova", "optional", Warning, "from 24.2 on detects AWS, because its UUID begins with ec2. An upgrade"},
		{awsID, "serial", "ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net", "optional", OK, ""},
		{swappedID, "product", "OpenStack Nova", "optional", Warning, "if its first four bytes are read backwards"},
		{swappedID, "manufacturer", "e24cloud", "optional", Warning, "from 24.2 on detects AWS"},
	}
	for _, tt := range tests {
		d, err := parseDomain(fmt.Sprintf("<domain><name>web1</name><uuid>%s</uuid><os><smbios mode='sysinfo'/></os>"+
			"<sysinfo type='smbios'><system><entry name='%s'>%s</entry></system></sysinfo></domain>", tt.uuid, tt.entry, tt.value))
		if err != nil {
			t.Fatal(err)
		}
		h := &Host{Config: &config.Config{}, statusErr: errors.New("not running")}
		h.Config.Server.IMDS = tt.imds
		state, text := OK, ""
		for _, f := range h.detects(t.Context(), d) {
			state, text = f.State, f.Text
		}
		if state != tt.state || !strings.Contains(text, tt.want) || (text == "") != (tt.want == "") {
			t.Errorf("%s with the %s %s: %v %q, want %v %q", tt.uuid, tt.entry, tt.value, state, text, tt.state, tt.want)
		}
	}
}
