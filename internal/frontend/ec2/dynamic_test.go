package ec2

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
)

func TestIdentity(t *testing.T) {
	server := newServerFor(guests{webAddr: full}, []string{"2021-03-23", "latest"}, dualSite, fakeUserdata{})
	document := ask(server, webAddr, http.MethodGet, "/2021-03-23/dynamic/instance-identity/document").Body.String()
	var fields map[string]any
	if err := json.Unmarshal([]byte(document), &fields); err != nil || fields["instanceId"] != full.ID || fields["region"] != "kvm1" {
		t.Errorf("document %s (%v)", document, err)
	}
	sum := fmt.Sprint(full.UUID, " ", len(document))
	for path, want := range map[string]string{
		"":                            "instance-identity/",
		"/":                           "instance-identity/",
		"/instance-identity":          "document\npkcs7\nrsa2048\nsignature",
		"/instance-identity/":         "document\npkcs7\nrsa2048\nsignature",
		"/instance-identity/document": document, "/instance-identity/document/": document,
		"/instance-identity/pkcs7": "pkcs7 of " + sum, "/instance-identity/rsa2048": "pkcs7 of " + sum,
		"/instance-identity/signature": "signature of " + sum,
	} {
		w := ask(server, webAddr, http.MethodGet, "/latest/dynamic"+path)
		if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Content-Type") != httpcommon.TypeText {
			t.Errorf("%q: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
	for _, path := range []string{"/latest/dynamic/fws", "/latest/dynamic/instance-identity/x", "/latest/dynamic/instance-identity/document/document"} {
		if w := ask(server, webAddr, http.MethodGet, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
	if w := ask(server, otherAddr, http.MethodGet, "/latest/dynamic/instance-identity/document"); w.Code != http.StatusBadRequest {
		t.Errorf("a stranger: %d, want 400", w.Code)
	}
	if w := ask(server, webAddr, http.MethodPost, "/latest/dynamic/instance-identity/document"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", w.Code)
	}
}

func TestIdentityThatCannotBeSigned(t *testing.T) {
	tree := New([]string{"latest"}, dualSite, fakeUserdata{}, fakeIdentity{errors.New("no entropy")})
	server := httpcommon.Identified(frontendtest.Identify(guests{webAddr: full}), httpcommon.LogTo(slog.New(slog.DiscardHandler)), httpcommon.Normalise(tree))
	for path, want := range map[string]int{
		"": http.StatusOK, "instance-identity/document": http.StatusOK, "instance-identity/signature": http.StatusInternalServerError,
		"instance-identity/pkcs7": http.StatusInternalServerError, "instance-identity/rsa2048": http.StatusInternalServerError,
	} {
		if w := ask(server, webAddr, http.MethodGet, "/latest/dynamic/"+path); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}
