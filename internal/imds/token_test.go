package imds

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

var (
	web1 = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	web2 = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be702")
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func TestVerify(t *testing.T) {
	key := NewKey()
	good := key.Issue(web1, noon.Add(time.Minute))
	flipped := "A"
	if good[len(good)-2] == 'A' {
		flipped = "B"
	}
	tests := []struct {
		name, token string
		guest       uuid.UUID
		at          time.Time
		want        error
	}{
		{"good", good, web1, noon, nil},
		{"good in its last second", good, web1, noon.Add(59 * time.Second), nil},
		{"expired", good, web1, noon.Add(time.Minute), ErrExpired},
		{"another guest's", good, web2, noon, ErrForeign},
		{"another server's", NewKey().Issue(web1, noon.Add(time.Minute)), web1, noon, ErrForeign},
		{"a later end made up", "AAAAAP" + good[6:], web1, noon, ErrForeign},
		{"a signature made up", good[:len(good)-2] + flipped + good[len(good)-1:], web1, noon, ErrForeign},
		{"cut short", good[:len(good)-1], web1, noon, ErrMalformed},
		{"too long", good + "A", web1, noon, ErrMalformed},
		{"not base64", strings.Repeat("*", len(good)), web1, noon, ErrMalformed},
		{"a line break inside", good[:10] + "\n" + good[11:], web1, noon, ErrMalformed},
		{"empty", "", web1, noon, ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := key.Verify(tt.token, tt.guest, tt.at); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestTokensSurviveARestart(t *testing.T) {
	key := NewKey()
	token := key.Issue(web1, noon.Add(time.Hour))
	again, err := ParseKey(key.Text())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Verify(token, web1, noon); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "00", key.Text() + "00", strings.Repeat("x", 64)} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("the key %q was accepted", text)
		}
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	key := NewKey()
	if text := fmt.Sprintf("%v %+v %s", key, key, key); strings.Contains(text, key.Text()) || strings.Contains(text, "[") {
		t.Errorf("printed as %s", text)
	}
}

func FuzzVerify(f *testing.F) {
	key := NewKey()
	good := key.Issue(web1, noon.Add(time.Minute))
	f.Add(good)
	f.Add("")
	f.Add(strings.Repeat("A", len(good)))
	f.Fuzz(func(t *testing.T, token string) {
		if err := key.Verify(token, web1, noon); err == nil && token != good {
			t.Errorf("the token %q was accepted", token)
		}
	})
}
