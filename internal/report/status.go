package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"mdserver/internal/api"
)

// stages are cloud-init's, in the order of a boot, as status.json names them.
var stages = []string{"init-local", "init", "modules-init", "modules-config", "modules-final"}

// stageStatus is how one stage ended.
type stageStatus struct {
	Errors      []string            `json:"errors"`
	Recoverable map[string][]string `json:"recoverable_errors"` // by level, since 23.4
	Finished    *float64            `json:"finished"`
}

// trouble is one error of a stage.
type trouble struct{ stage, text string }

// parseStatus reads /run/cloud-init/status.json. The result follows `cloud-init
// status`: an error of any stage is a failure, and a recoverable error is a
// warning. A boot that has not finished has no result.
//
// Source: cloudinit/cmd/main.py, status_wrapper; cloudinit/cmd/status.py.
func parseStatus(body []byte) (api.BootEntry, error) {
	var doc struct {
		V1 map[string]json.RawMessage `json:"v1"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return api.BootEntry{}, fmt.Errorf("a status is cloud-init's status.json: %w", err)
	}
	if doc.V1 == nil {
		return api.BootEntry{}, errors.New("v1 is missing, accepted: cloud-init's status.json")
	}
	var failures, warnings []trouble
	finished := false
	for _, name := range stages {
		var stage stageStatus
		if text, ok := doc.V1[name]; ok {
			if err := json.Unmarshal(text, &stage); err != nil {
				return api.BootEntry{}, fmt.Errorf("v1.%s: %w", name, err)
			}
		}
		failures = appendTroubles(failures, name, stage.Errors)
		for _, level := range slices.Sorted(maps.Keys(stage.Recoverable)) {
			warnings = appendTroubles(warnings, name, stage.Recoverable[level])
		}
		finished = stage.Finished != nil
	}
	switch {
	case len(failures) > 0:
		return troubled(api.ResultFail, failures), nil
	case len(warnings) > 0:
		return troubled(api.ResultWarn, warnings), nil
	case finished:
		return api.BootEntry{Kind: api.EntryStatus, Result: api.ResultSuccess}, nil
	}
	return api.BootEntry{Kind: api.EntryStatus, Detail: "running"}, nil
}

func appendTroubles(all []trouble, stage string, texts []string) []trouble {
	for _, text := range texts {
		if !slices.ContainsFunc(lost, func(warning string) bool { return strings.HasPrefix(text, warning) }) {
			all = append(all, trouble{stage, text})
		}
	}
	return all
}

// lost begins the warnings of a webhook whose server was away. They say nothing of
// the boot (cloudinit/reporting/handlers.py).
var lost = []string{"Failed posting event: ", "Multiple consecutive failures in WebHookHandler."}

// mostTroubles is how many errors an entry shows.
const mostTroubles = 3

// troubled is an entry with the first errors, and the module of the very first.
func troubled(result string, all []trouble) api.BootEntry {
	var texts []string
	for _, t := range all[:min(len(all), mostTroubles)] {
		texts = append(texts, oneLine(t.text, maxText))
	}
	if more := len(all) - mostTroubles; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return api.BootEntry{Kind: api.EntryStatus, Result: result, Name: module(all[0]), Detail: strings.Join(texts, "; ")}
}

// The forms in which cloud-init names a module in an error:
//
//	('runcmd', RuntimeError('…'))                             an error, before 24.1
//	Running module runcmd (<module 'cloudinit.config…) failed    a recovered one
//	… is not installed, but module ssh_import_id is configured   a recovered one
var modules = regexp.MustCompile(`^\('([A-Za-z0-9_-]{1,64})',|^Running module ([A-Za-z0-9_-]{1,64}) |\bmodule ([A-Za-z0-9_-]{1,64}) is configured\b`)

// module is the module that an error names, as the name of its source file, or else
// its stage.
func module(t trouble) string {
	if m := modules.FindStringSubmatch(t.text); m != nil {
		return strings.ReplaceAll(m[1]+m[2]+m[3], "-", "_")
	}
	return t.stage
}
