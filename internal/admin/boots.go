package admin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
)

// longestWait is how long a request for progress may wait.
const longestWait = time.Minute

func (b Backend) boots(w http.ResponseWriter, r *http.Request) {
	inst, err := b.find(r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	all, err := b.Boots(inst)
	if err != nil {
		b.Log.Warn("some boots cannot be read", "guest", inst.Name, "error", err)
	}
	if all == nil {
		all = []api.Boot{}
	}
	answer(w, all)
}

func (b Backend) progress(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	q := api.ProgressQuery{Refs: values["ref"]}
	var wait float64
	for name, parse := range map[string]func(string) error{
		"since": func(text string) (err error) { q.Since, err = strconv.ParseUint(text, 10, 64); return err },
		"wait":  func(text string) (err error) { wait, err = strconv.ParseFloat(text, 64); return err },
		"ssh":   func(text string) (err error) { q.SSH, err = strconv.ParseBool(text); return err },
	} {
		if text := values.Get(name); text != "" {
			if err := parse(text); err != nil {
				refuseWith(w, http.StatusBadRequest, api.CodeInvalid, fmt.Errorf("%s: %w", name, err))
				return
			}
		}
	}
	if !(wait >= 0) { // it may be no number
		wait = 0
	}
	q.Wait = time.Duration(min(wait, longestWait.Seconds()) * float64(time.Second))
	answer(w, b.Progress(r.Context(), q))
}

// userdataOf answers with what a guest was given in a boot.
func (b Backend) userdataOf(w http.ResponseWriter, guest *instance.Instance, which string) {
	body, err := b.given(guest, which)
	if err != nil {
		refuseWith(w, http.StatusNotFound, api.CodeNoBoot, err)
		return
	}
	w.Header().Set("Content-Type", httpcommon.TypeBytes)
	_, _ = w.Write(body) // a client may hang up
}

func (b Backend) given(guest *instance.Instance, which string) ([]byte, error) {
	all, err := b.Boots(guest)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(which)
	if err != nil {
		return nil, fmt.Errorf("boot %q: accepted: the number of a boot, 0 for the last one, or -1 and so on for those before it", which)
	}
	boot := bootNumber(all, n)
	if boot == nil {
		return nil, fmt.Errorf("guest %q has no boot %d on record; see `mdserver boots`", guest.Name, n)
	}
	if boot.Userdata == "" {
		return nil, fmt.Errorf("guest %q got no user-data in boot %d", guest.Name, boot.Number)
	}
	body, err := b.Content(boot.Userdata)
	if err == nil && body == nil {
		err = fmt.Errorf("the user-data of boot %d is no longer kept, or was too large", boot.Number)
	}
	return body, err
}

// bootNumber finds a boot by its number, or counted back from the last one, which is 0.
func bootNumber(all []api.Boot, n int) *api.Boot {
	if back := len(all) - 1 + n; n <= 0 && back >= 0 && back < len(all) {
		return &all[back]
	}
	for i := range all {
		if all[i].Number == n {
			return &all[i]
		}
	}
	return nil
}
