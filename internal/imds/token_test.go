package imds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/boottime"
	"mdserver/internal/instance"
)

var (
	web1 = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	web2 = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be702")
	noon = 12 * time.Hour // since the boot
)

// ending is the part of a token that says nothing but when it ends.
func ending(at time.Duration) string {
	text := encoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(at)))
	return text[:len(text)-1] // the last digit has bits of the signature, too
}

func TestVerify(t *testing.T) {
	key := NewKey()
	good := key.Issue(web1, noon+time.Minute)
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spare := digits[strings.IndexByte(digits, good[len(good)-1])+1:][:1] // a token's bytes leave bits of the last digit over
	flipped := "A"
	if good[len(good)-2] == 'A' {
		flipped = "B"
	}
	tests := []struct {
		name, token string
		guest       uuid.UUID
		at          time.Duration
		want        error
	}{
		{"good", good, web1, noon, nil},
		{"good in its last second", good, web1, noon + 59*time.Second, nil},
		{"expired", good, web1, noon + time.Minute, ErrExpired},
		{"another guest's", good, web2, noon, ErrForeign},
		{"another server's", NewKey().Issue(web1, noon+time.Minute), web1, noon, ErrForeign},
		{"a later end made up", ending(noon+2*time.Minute) + good[len(ending(0)):], web1, noon, ErrForeign},
		{"an end made up that no token has", "AAD_AA" + good[6:], web1, noon, ErrForeign},
		{"good for the longest time", key.Issue(web1, noon+MaxTTL), web1, noon, nil},
		{"from before the host's boot", keyOf(key.secret, uuid.New()).Issue(web1, noon+time.Minute), web1, noon, ErrForeign},
		{"issued by a clock that is far ahead", good, web1, noon - MaxTTL, ErrForeign},
		{"a signature made up", good[:len(good)-2] + flipped + good[len(good)-1:], web1, noon, ErrForeign},
		{"cut short", good[:len(good)-1], web1, noon, ErrMalformed},
		{"too long", good + "A", web1, noon, ErrMalformed},
		{"not base64", strings.Repeat("*", len(good)), web1, noon, ErrMalformed},
		{"a line break inside", good[:10] + "\n" + good[11:], web1, noon, ErrMalformed},
		{"another text of the same bytes", good[:len(good)-1] + spare, web1, noon, ErrMalformed},
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
	token := key.Issue(web1, noon+time.Hour)
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

// A token ends by the time since the boot, whatever the wall clock says.
func TestTokensEndByTimeSinceBoot(t *testing.T) {
	s := newService(instance.IMDSOptional)
	s.gate.now = New(Settings{}, s.gate.key, s.counts, slog.New(slog.DiscardHandler)).now
	before := boottime.Now()
	w := s.do("10.122.0.1", "PUT", "/latest/api/token", HeaderTTL+": 60")
	after := boottime.Now()
	for at, want := range map[time.Duration]error{after: nil, before + 59*time.Second: nil, after + time.Minute: ErrExpired} {
		if err := s.gate.key.Verify(w.Body.String(), web1, at); !errors.Is(err, want) {
			t.Errorf("%s after it was issued: %v, want %v", at-before, err, want)
		}
	}
}

// TestSharedKey: a guest that has moved shows its token on another host, which was
// booted at another time.
func TestSharedKey(t *testing.T) {
	secret := NewKey().secret
	here, there := keyOf(secret, uuid.New()), keyOf(secret, uuid.New())
	now := here.Shared().Now()
	token := here.Shared().Issue(web1, now+time.Minute)
	if err := there.Shared().Verify(token, web1, now+time.Second); err != nil {
		t.Error(err)
	}
	if err := there.Shared().Verify(token, web1, now+time.Minute); !errors.Is(err, ErrExpired) {
		t.Errorf("after its end: %v", err)
	}
	if err := here.Verify(token, web1, boottime.Now()); !errors.Is(err, ErrForeign) {
		t.Errorf("with a key of one host: %v", err)
	}
	if since := time.Since(time.Unix(0, int64(now))); since < 0 || since > time.Minute {
		t.Errorf("the time of a shared key differs from the clock by %s", since)
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
	good := key.Issue(web1, noon+time.Minute)
	f.Add(good)
	f.Add("")
	f.Add(strings.Repeat("A", len(good)))
	f.Fuzz(func(t *testing.T, token string) {
		if err := key.Verify(token, web1, noon); err == nil && token != good {
			t.Errorf("the token %q was accepted", token)
		}
	})
}
