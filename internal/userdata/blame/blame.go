// Package blame finds what in user-data, and in the template behind it, made a boot
// fail: by what cloud-init reports, or by what it will not accept.
package blame

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/tree"
)

// Line finds the line of a template that made cloud-init fail: by the number of a
// line in the error, or else by the key of the module that failed. templates are the
// files that body was rendered from, with commas between them. It returns nil if nothing
// there is to blame. A template that has changed since may lead to nil, too.
func Line(templates string, body []byte, module, failure string) *api.TemplateLine {
	for _, part := range partsOf(body) {
		line := blamedLine(part, module, failure)
		if line == "" {
			continue
		}
		for name := range strings.SplitSeq(templates, ", ") {
			text, err := read(name)
			if err != nil {
				continue // the built-in one, or one that is gone
			}
			if n := templateLine(text, line); n > 0 {
				return &api.TemplateLine{Name: name, Line: n}
			}
		}
	}
	return nil
}

// maxTemplate bounds how much of a template is read, in bytes.
const maxTemplate = 4 << 20

func read(name string) (string, error) {
	f, err := tree.OpenPath(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTemplate))
	return string(text), err
}

// numbered is a line of user-data in cloud-init's messages: of its YAML parser, and of
// its schema ("format-l3.c1").
var numbered = regexp.MustCompile(`\bline (\d+)\b|\bformat-l(\d+)\.c`)

// schemaKey is the first key in a message of cloud-init's schema.
var schemaKey = regexp.MustCompile(`schema (?:errors|deprecations): ([a-z_]+)`)

// unmerged is in cloud-init's message about a part whose merge_how it rejects.
const unmerged = "Failed at merging in cloud config part"

// blamedLine is the line of user-data to blame, "" if there is none.
func blamedLine(body, module, failure string) string {
	lines := strings.Split(body, "\n")
	if m := numbered.FindStringSubmatch(failure); m != nil {
		n, err := strconv.Atoi(m[1] + m[2])
		if err == nil && n > 0 && n <= len(lines) {
			return lines[n-1]
		}
	}
	keys := moduleKeys(module)
	if m := schemaKey.FindStringSubmatch(failure); m != nil {
		keys = []string{m[1]}
	}
	if strings.Contains(failure, unmerged) {
		keys = []string{"merge_how", "merge_type"}
	}
	for _, key := range keys {
		for _, line := range lines {
			if strings.HasPrefix(line, key+":") {
				return line
			}
		}
	}
	return ""
}

// keysOf are the keys of cloud-config that modules of cloud-init read, where they have
// other names than the module.
var keysOf = map[string][]string{
	"apt_configure":                  {"apt"},
	"ca_certs":                       {"ca_certs", "ca-certs"},
	"disk_setup":                     {"disk_setup", "fs_setup"},
	"mounts":                         {"mounts", "swap"},
	"package_update_upgrade_install": {"packages", "package_upgrade", "package_update"},
	"scripts_user":                   {"runcmd"},
	"set_hostname":                   {"hostname", "fqdn"},
	"set_passwords":                  {"chpasswd", "password", "ssh_pwauth"},
	"ssh":                            {"ssh_keys", "ssh_authorized_keys"},
	"ssh_import_id":                  {"ssh_import_id"},
	"update_hostname":                {"hostname", "fqdn"},
	"users_groups":                   {"users", "groups", "user"},
	"write_files_deferred":           {"write_files"},
	"yum_add_repo":                   {"yum_repos"},
}

func moduleKeys(module string) []string {
	if keys := keysOf[module]; keys != nil {
		return keys
	}
	if module == "" {
		return nil
	}
	return []string{module}
}

// expression is a part of a template's line that is replaced.
var expression = regexp.MustCompile(`\{\{.*?\}\}`)

// templateLine finds the line of a template that a line of its output came from; 0 if
// there is none. A line without expressions counts before one that fits.
func templateLine(template, line string) int {
	lines := strings.Split(template, "\n")
	if i := slices.Index(lines, line); i >= 0 {
		return i + 1
	}
	for i, source := range lines {
		if expression.MatchString(source) && fits(source, line) {
			return i + 1
		}
	}
	return 0
}

// fits reports whether a template's line can have become a line of output.
func fits(source, line string) bool {
	literal := expression.Split(strings.TrimSuffix(source, "\r"), -1)
	if strings.TrimSpace(strings.Join(literal, "")) == "" {
		return false // it fits everything
	}
	for i, text := range literal {
		literal[i] = regexp.QuoteMeta(text)
	}
	pattern, err := regexp.Compile("^" + strings.Join(literal, ".*") + "$")
	return err == nil && pattern.MatchString(line)
}

// partsOf are the texts in user-data: it alone, or the parts of a MIME message, which
// may be messages themselves.
func partsOf(body []byte) []string {
	message, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		return []string{string(body)}
	}
	if parts, ok := partsBelow(message.Header.Get("Content-Type"), message.Body); ok {
		return parts
	}
	return []string{string(body)}
}

// partsBelow are the texts below a message of many parts; false if it is none.
func partsBelow(contentType string, body io.Reader) (parts []string, ok bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return nil, false
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		part, err := r.NextPart()
		if err != nil {
			return parts, true
		}
		if below, ok := partsBelow(part.Header.Get("Content-Type"), part); ok {
			parts = append(parts, below...)
			continue
		}
		var text io.Reader = part
		if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64") {
			text = base64.NewDecoder(base64.StdEncoding, part)
		}
		if text, err := io.ReadAll(text); err == nil {
			parts = append(parts, string(text))
		}
	}
}
