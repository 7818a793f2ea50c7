package report

import (
	"encoding/json"
	"errors"
	"fmt"

	"mdserver/internal/api"
)

// maxName and maxText bound what an entry keeps of a guest's text, in bytes.
const (
	maxName = 120
	maxText = 400
)

// event is one report of cloud-init's webhook: a stage or a module starts or
// finishes. Files that a guest encloses are ignored.
//
// Source: cloudinit/reporting/events.py, as_dict; duration since 26.1.
type event struct {
	Name        string  `json:"name"` // such as "modules-final/config-runcmd"
	Description string  `json:"description"`
	Type        string  `json:"event_type"`
	Result      string  `json:"result"`   // of a finish
	Duration    float64 `json:"duration"` // of a finish, in seconds
}

// The types of an event.
const (
	start  = "start"
	finish = "finish"
)

// parseEvent reads the body of a webhook. The times of the guest's clock are
// ignored: it may be wrong, and guests could date a report back.
func parseEvent(body []byte) (api.BootEntry, error) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return api.BootEntry{}, fmt.Errorf("a report is a JSON object as cloud-init sends it: %w", err)
	}
	if e.Name == "" {
		return api.BootEntry{}, errors.New("name is missing, accepted: the name of a stage or module")
	}
	entry := api.BootEntry{Kind: api.EntryStage, Name: oneLine(e.Name, maxName), Detail: oneLine(e.Description, maxText)}
	switch e.Type {
	case start:
		return entry, nil
	case finish:
		entry.Result, entry.Seconds = e.Result, seconds(e.Duration)
	default:
		return api.BootEntry{}, fmt.Errorf("event_type is %q, accepted: start, finish", oneLine(e.Type, maxName))
	}
	switch e.Result {
	case api.ResultSuccess, api.ResultWarn, api.ResultFail:
		return entry, nil
	}
	return api.BootEntry{}, fmt.Errorf("result is %q, accepted: SUCCESS, WARN, FAIL", oneLine(e.Result, maxName))
}

// longest is the longest duration that is believed, in seconds.
const longest = 30 * 24 * 60 * 60

// seconds is a duration that a guest sent, or 0 if it makes no sense.
func seconds(s float64) float64 {
	if s > 0 && s <= longest {
		return s
	}
	return 0
}
