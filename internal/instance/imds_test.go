package instance

import (
	"slices"
	"strings"
	"testing"
)

// A guest's own mode goes before that of all; what is no mode does not.
func TestIMDS(t *testing.T) {
	for value, want := range map[string]bool{"optional": true, "required": true, "off": true, "Required": false, "on": false, "": false} {
		m := values("imds", value)
		if mode, ok := m.IMDS(); ok != want || string(mode) != value {
			t.Errorf("%q: %q, %v", value, mode, ok)
		}
		if err := m.Validate(); (err == nil) != want {
			t.Errorf("%q: %v", value, err)
		}
	}
	if mode, ok := (Metadata{}).IMDS(); ok || mode != "" {
		t.Errorf("a guest that says nothing has the mode %q", mode)
	}
}

// A guest may be exempt from nothing, which is not the same as to say nothing.
func TestIMDSExempt(t *testing.T) {
	for name, tt := range map[string]struct {
		metadata Metadata
		want     []string
		ok       bool
		err      string
	}{
		"nothing said": {Metadata{}, nil, false, ""},
		"none":         {values("imds_exempt", ""), nil, true, ""},
		"one":          {values("imds_exempt", "nocloud"), []string{"nocloud"}, true, ""},
		"both":         {values("imds_exempt", " nocloud, openstack,"), []string{"nocloud", "openstack"}, true, ""},
		"ec2":          {values("imds_exempt", "nocloud, ec2"), nil, false, `metadata imds_exempt "nocloud, ec2": "ec2" is not served without a token, accepted: openstack, nocloud`},
	} {
		got, ok := tt.metadata.IMDSExempt()
		if !slices.Equal(got, tt.want) || ok != tt.ok {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, ok, tt.want, tt.ok)
		}
		err := tt.metadata.Validate()
		if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%s: %v, want %s", name, err, tt.err)
		}
	}
}

func TestUserdataParts(t *testing.T) {
	for text, want := range map[string]string{"": "", " , ": "", "base": "base", " base ,, web,base": "base web base"} {
		if got := strings.Join(values("userdata_parts", text).UserdataParts(), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Templates get the keys that mdserver does not understand.
func TestFree(t *testing.T) {
	all := map[string]string{"rack": "four", "role": ""}
	for _, key := range understood {
		all[key] = "x"
	}
	if free := Free(all); len(free) != 2 || free["rack"] != "four" || len(all) != len(understood)+2 {
		t.Errorf("free are %v of %v", free, all)
	}
}
