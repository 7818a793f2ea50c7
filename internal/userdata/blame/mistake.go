package blame

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Mistake returns the reason why cloud-init ignores user-data, or a part of it, as a
// whole; "" if it does not. Releases before 23.4 only log a warning and end with
// success. A mistake in YAML has its line.
func Mistake(body []byte) string {
	for _, part := range partsOf(body) {
		first, _, _ := strings.Cut(part, "\n")
		if strings.TrimSpace(first) != "#cloud-config" {
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(part), &doc); err != nil {
			return "invalid YAML: " + yamlProblem(err)
		}
		if mistake := mergeMistake(doc); mistake != "" {
			return mistake
		}
	}
	return ""
}

// merger is a word of merge_how, such as list(append).
//
// Source: cloudinit/mergers/__init__.py, string_extract_mergers.
var merger = regexp.MustCompile(`^[a-zA-Z_][A-Za-z0-9_]*\(.*?\)$`)

// mergeMistake returns what is wrong with a part's merge_how or merge_type.
func mergeMistake(doc yaml.Node) string {
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return ""
	}
	pairs := doc.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		key, value := pairs[i].Value, pairs[i+1]
		if key != "merge_how" && key != "merge_type" || value.Kind != yaml.ScalarNode {
			continue
		}
		for word := range strings.SplitSeq(value.Value, "+") {
			if word = strings.TrimSpace(word); word != "" && !merger.MatchString(strings.ReplaceAll(word, "-", "_")) {
				return fmt.Sprintf("invalid %s: line %d: %q is not of the form name(options)", key, value.Line, word)
			}
		}
	}
	return ""
}

// collection is an error in a list or a mapping. yaml gives the line where the
// collection begins, counted from 0.
var collection = regexp.MustCompile(`^line (\d+): (did not find expected .*)$`)

func yamlProblem(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	m := collection.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	line, _ := strconv.Atoi(m[1]) // digits
	return fmt.Sprintf("%s, in the list or mapping that begins in line %d", m[2], line+1)
}
