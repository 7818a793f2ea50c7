package libvirt

import (
	"runtime"
	"strings"
	"testing"
)

// hostile are documents of about 1 MB that are made to cost a lot, and what
// their refusal says; empty for those that are well.
func hostile() map[string]struct{ xml, want string } {
	const size = MaxDomainXML - 1000
	repeat := func(s string) string { return strings.Repeat(s, size/len(s)) }
	metadata := func(inner string) string {
		return domain(`<metadata><m:x xmlns:m="urn:md_server:domain_metadata">` + inner + `</m:x></metadata>`)
	}
	return map[string]struct{ xml, want string }{
		"many empty elements":       {domain(repeat("<a/>")), "more than 20000 elements"},
		"many elements of metadata": {metadata(repeat("<m:a/>")), "more than 20000 elements"},
		"many disks":                {domain("<devices>" + repeat("<disk/>") + "</devices>"), "more than 20000 elements"},
		"deep elements":             {domain(repeat("<a>")), "nested deeper than 256 levels"},
		"many attributes":           {domain("<a " + repeat(`b="" `) + "/>"), "more than 1024 attributes"},
		"attributes without space":  {domain("<a " + repeat(`b=''`) + "/>"), "more than 1024 attributes"},
		"attributes of brackets":    {domain("<a " + repeat(`b = ">"c=">"`) + "/>"), "more than 1024 attributes"},
		"many namespaces":           {domain("<a " + repeat(`xmlns:b="" `) + "/>"), "more than 1024 attributes"},
		"a long name":               {domain("<" + repeat("a") + "/>"), ""},
		"a long attribute":          {domain(`<a b="` + repeat("b") + `"/>`), ""},
		"a long comment":            {domain("<!--" + repeat("a") + "-->"), ""},
		"a long text":               {domain("<description>" + repeat("a &amp; b ") + "</description>"), ""},
		"a long UUID":               {strings.Replace(domain(""), "7e5a544d", repeat("7"), 1), "is not a UUID"},
		"a long root":               {"<" + repeat("a") + "/>", "not a domain definition"},
		"a long end":                {domain("<a></" + repeat("b") + ">"), "closed by"},
		"a long name of it":         {strings.Replace(domain(""), "web1", repeat("w"), 1), "accepted: at most 255"},
		"a long value":              {metadata("<m:rack>" + repeat("a") + "</m:rack>"), `metadata key "rack" has a value of`},
		"space around a value":      {metadata("<m:rack>" + repeat(" ") + "4</m:rack>"), ""},
		"a doctype of entities": {"<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>" +
			domain("<description>&b;</description>"), "invalid character entity"},
	}
}

func TestParseDomainIsBounded(t *testing.T) {
	for name, tt := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ParseDomain([]byte(tt.xml))
			runtime.ReadMemStats(&after)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %.200v, want one that says %q", err, tt.want)
			case err != nil && len(err.Error()) > 500:
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			const most = 16 << 20
			if used := after.TotalAlloc - before.TotalAlloc; used > most {
				t.Errorf("%d bytes were allocated for %d, want at most %d", used, len(tt.xml), most)
			}
		})
	}
}

func TestParseDomainReadsLargeDomains(t *testing.T) {
	disk := `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/x'/>` +
		strings.Repeat("<backingStore type='file'><format type='qcow2'/><source file='/x'/>", 200) +
		strings.Repeat("</backingStore>", 200) + `<target dev='vda' bus='virtio'/></disk>`
	for name, devices := range map[string]string{
		"a chain of 200 backing files": disk,
		"1000 disks":                   strings.Repeat("<disk><driver/><source/><backingStore/><target dev='sda' bus='scsi'/><alias/><address/></disk>", 1000),
	} {
		if _, err := ParseDomain([]byte(domain("<devices>" + devices + "</devices>"))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The bounds themselves are accepted.
func TestParseDomainAtItsBounds(t *testing.T) {
	nested := func(depth int) string { // the domain itself is the first level
		return domain(strings.Repeat("<a>", depth-1) + strings.Repeat("</a>", depth-1))
	}
	many := func(elements int) string { return domain(strings.Repeat("<a/>", elements-3)) } // with <name> and <uuid>
	attributes := func(n int) string { return domain("<a " + strings.Repeat(`b="" `, n) + "/>") }
	for name, of := range map[string]struct {
		text func(int) string
		most int
	}{"levels": {nested, maxDepth}, "elements": {many, maxElements}, "attributes": {attributes, maxAttributes}} {
		if _, err := ParseDomain([]byte(of.text(of.most))); err != nil {
			t.Errorf("%d %s: %v", of.most, name, err)
		}
		if _, err := ParseDomain([]byte(of.text(of.most + 1))); err == nil {
			t.Errorf("%d %s are accepted", of.most+1, name)
		}
	}
}

func TestParseDomainNamesTheLine(t *testing.T) {
	_, err := ParseDomain([]byte("<domain>\n<name>x</name>\n</domian>"))
	if err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("error %v, want one that names line 3", err)
	}
}
