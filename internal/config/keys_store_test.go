package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestStore(t *testing.T) {
	c, warnings := mustLoad(t, `[store]
backend = etcd
endpoints = https://etcd1.example.net, https://192.0.2.2:12379/, https://[fd00::3], https://etcd1.example.net:2379
ca_file = /etc/ca.pem
cert_file = /etc/cert.pem
key_file = /etc/key.pem
user = mdserver
password_file = /etc/password
prefix = /site/mdserver
`)
	want := Store{
		Backend:   BackendEtcd,
		Endpoints: []string{"https://etcd1.example.net:2379", "https://192.0.2.2:12379", "https://[fd00::3]:2379"},
		CAFile:    "/etc/ca.pem", CertFile: "/etc/cert.pem", KeyFile: "/etc/key.pem",
		User: "mdserver", PasswordFile: "/etc/password",
		Prefix: "/site/mdserver/",
	}
	if got := fmt.Sprintf("%+v", c.Store); got != fmt.Sprintf("%+v", want) {
		t.Errorf("%s\nwant %+v", got, want)
	}
	if len(warnings) > 0 || !c.Store.TLS() {
		t.Errorf("TLS %v, warnings %v", c.Store.TLS(), warnings)
	}
}

func TestStoreDefault(t *testing.T) {
	c, warnings := mustLoad(t, "")
	if got := fmt.Sprintf("%+v", c.Store); got != fmt.Sprintf("%+v", Store{Backend: BackendBolt, Prefix: "/mdserver/"}) || len(warnings) > 0 {
		t.Errorf("%s, warnings %v", got, warnings)
	}
	if c, _ = mustLoad(t, "[store]\nbackend = etcd\nendpoints = http://127.0.0.1\n"); c.Store.TLS() {
		t.Error("http counts as TLS")
	}
	for _, k := range storeKeys {
		if !NeedsRestart("store", k.name) {
			t.Errorf("%s can change while the server runs", k.name)
		}
	}
}

func TestStoreRefuses(t *testing.T) {
	const etcd = "[store]\nbackend = etcd\nendpoints = https://a\n"
	for text, want := range map[string]string{
		"[store]\nbackend = consul\n": `:2: store.backend = "consul": not one of the choices, accepted: bolt or etcd`,
		"[store]\nbackend = etcd\n":   `:2: store.backend = "etcd": etcd needs endpoints, accepted: http://HOST`,

		"[store]\nendpoints = etcd1:2379\n":              "without http:// or https://",
		"[store]\nendpoints = etcd1\n":                   "without http:// or https://",
		"[store]\nendpoints = unix:///run/etcd\n":        "without http:// or https://",
		"[store]\nendpoints = https://a, http://b\n":     "mixes http and https",
		"[store]\nendpoints = https://a:0\n":             "out of range",
		"[store]\nendpoints = https://a:65536\n":         "out of range",
		"[store]\nendpoints = https://a:x\n":             "not a URL",
		"[store]\nendpoints = https://\n":                "without a host",
		"[store]\nendpoints = https://a/v3\n":            "more than a host and a port",
		"[store]\nendpoints = https://a?b=c\n":           "more than a host and a port",
		"[store]\nendpoints = https://root:hunter2@a\n":  "has a user in a URL",
		"[store]\nprefix = mdserver\n":                   "does not begin with a slash",
		"[store]\nprefix = /\n":                          "names no part",
		"[store]\nprefix =\n":                            "nothing is set",
		"[store]\nprefix = /a//b\n":                      "an empty name",
		"[store]\nprefix = /a/../b\n":                    "dots alone",
		"[store]\nprefix = /a b\n":                       "a character",
		"[store]\nprefix = /" + strings.Repeat("a", 200): "too long",

		etcd + "cert_file = /c\n":     `:4: store.cert_file = "/c": needs store.key_file as well`,
		etcd + "key_file = /k\n":      `:4: store.key_file = "/k": needs store.cert_file as well`,
		etcd + "user = u\n":           `:4: store.user = "u": needs store.password_file as well`,
		etcd + "password_file = /p\n": `:4: store.password_file = "/p": needs store.user as well`,
	} {
		_, _, err := Load(write(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error has a secret: %v", text, err)
		}
	}
}

func TestStoreWarns(t *testing.T) {
	const open = "[store]\nbackend = etcd\nendpoints = http://a\n"
	for text, want := range map[string]string{
		open + "user = u\npassword_file = /p\n": ":5: store.password_file: is sent to etcd without encryption",
		open + "ca_file = /ca\n":                ":4: store.ca_file: has no effect",
		open + "cert_file = /c\nkey_file = /k":  ":5: store.key_file: has no effect",
		"[store]\nendpoint = https://a\n":       "store.endpoint: unknown key",
	} {
		if _, warnings := mustLoad(t, text); !strings.Contains(fmt.Sprint(warnings), want) {
			t.Errorf("%q: %v, want %q", text, warnings, want)
		}
	}
}
