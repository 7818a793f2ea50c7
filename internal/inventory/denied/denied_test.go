package denied

import (
	"errors"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

var (
	web = &instance.Instance{Name: "web", ID: "i-1"}
	db  = &instance.Instance{Name: "db 1", ID: "i-2"}
)

// An error says who wants what, who has it, and what can be done.
func TestErrors(t *testing.T) {
	long := strings.Repeat("x", 4*instance.MaxName)
	for name, test := range map[string]struct {
		err  error
		kind error
		want string
	}{
		"a conflict": {Conflict(ErrMACInUse, "52:54:00:00:00:01", web, db), ErrMACInUse,
			`guest "web": MAC address in use: "52:54:00:00:00:01" belongs to guest "db 1"`},
		"a conflict with advice": {&ConflictError{Kind: ErrNameTaken, Value: "db", Guest: "web", Holder: "db", Hint: "rename one of them"}, ErrNameTaken,
			`guest "web": name in use: "db" belongs to guest "db"; rename one of them`},
		"a wrong request": {&RequestError{Kind: ErrInvalid, Guest: "web", Reason: "it has no UUID"}, ErrInvalid,
			`guest "web": invalid domain: it has no UUID`},
		"a name of hostile characters": {&RequestError{Kind: ErrInvalid, Guest: "a\n\x1b", Reason: "no"}, ErrInvalid,
			`guest "a\n\x1b": invalid domain: no`},
		"a long name": {&RequestError{Kind: ErrInvalid, Guest: long, Reason: "no"}, ErrInvalid,
			`guest "` + long + `": invalid domain: no`},
		"a name that is too long to quote": {&RequestError{Kind: ErrInvalid, Guest: long + "x", Reason: "no"}, ErrInvalid,
			`guest "` + long[:instance.MaxName] + `"…: invalid domain: no`},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		if !errors.Is(test.err, test.kind) {
			t.Errorf("%s: it is not %v", name, test.kind)
		}
	}
}

// The command in an advice names a guest so that a shell takes it as one word.
func TestOrRemove(t *testing.T) {
	for _, test := range []struct {
		holder *instance.Instance
		want   string
	}{
		{web, `rename it, or, if "web" no longer exists, remove it: mdserver instance rm web`},
		{db, `rename it, or, if "db 1" no longer exists, remove it: mdserver instance rm i-2`},
	} {
		if got := OrRemove("rename it", test.holder); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}
