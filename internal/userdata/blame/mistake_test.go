package blame

import "testing"

func TestMistake(t *testing.T) {
	const mime = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/cloud-config\n\n"
	const nested = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=y\n\n--y\n" + mime + "#cloud-config\na: b: c\n--x--\n\n--y--\n"
	const encoded = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Transfer-Encoding: base64\n\nI2Nsb3VkLWNvbmZpZwph\nOiBiOiBjCg==\n--x--\n"
	for name, test := range map[string]struct{ body, want string }{
		"nothing":                      {"#cloud-config\nruncmd:\n- a\n", ""},
		"empty":                        {"", ""},
		"a script":                     {"#!/bin/sh\n{\n", ""},
		"other YAML":                   {"b: [\n", ""},
		"a list that is open":          {"#cloud-config\nruncmd: [a\n", "invalid YAML: did not find expected ',' or ']', in the list or mapping that begins in line 2"},
		"a mapping in a scalar":        {"#cloud-config\nruncmd:\n- a\n  b: [\n", "invalid YAML: line 4: mapping values are not allowed in this context"},
		"a tab":                        {"#cloud-config\nruncmd:\n\t- a\n", "invalid YAML: line 3: found character that cannot start any token"},
		"a part of a message":          {mime + "#cloud-config\na: b: c\n--x--\n", "invalid YAML: line 2: mapping values are not allowed in this context"},
		"a message in a message":       {nested, "invalid YAML: line 2: mapping values are not allowed in this context"},
		"how to merge":                 {"#cloud-config\nmerge_how: list(append)+dict(recurse_array)+str()\n", ""},
		"how to merge, as a list":      {"#cloud-config\nmerge_how:\n- {name: list, settings: [append]}\n", ""},
		"how to merge, with a plus":    {"#cloud-config\nmerge_how: list(append)+\n", ""},
		"how to merge, with a hyphen":  {"#cloud-config\nmerge_how: my-list(append)\n", ""},
		"how to merge, with an option": {"#cloud-config\nmerge_how: list(append,no_replace)\n", ""},
		"how to merge, with nothing":   {"#cloud-config\nmerge_how:\n", ""},
		"a first line alone":           {"#cloud-config\n", ""},
		"a list of words":              {"#cloud-config\n- merge_how\n- x\n", ""},
		"a word alone":                 {"#cloud-config\nx\n", ""},
		"a script that is no YAML":     {"#!/bin/sh\na: b: c\n", ""},
		"behind another key":           {"#cloud-config\nruncmd: [a]\nmerge_type: list(\n", `invalid merge_type: line 3: "list(" is not of the form name(options)`},
		"a wrong merge_how":            {"#cloud-config\na: b\nmerge_how: list(append)+dict\n", `invalid merge_how: line 3: "dict" is not of the form name(options)`},
		"a wrong merge_type":           {"#cloud-config\nmerge_type: no thing\n", `invalid merge_type: line 2: "no thing" is not of the form name(options)`},
		"a list alone":                 {"#cloud-config\n- merge_how: x\n", ""},
		"in base64":                    {encoded, "invalid YAML: line 2: mapping values are not allowed in this context"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Mistake([]byte(test.body)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
