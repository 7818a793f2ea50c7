package api_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

var update = flag.Bool("update", false, "write the golden file")

// messages are all JSON documents that go over the control socket.
func messages() map[string]any {
	return map[string]any{
		"Boots":        &[]api.Boot{},
		"Error":        &api.Error{},
		"Explanation":  &api.Explanation{},
		"Forgotten":    &api.Forgotten{},
		"Guests":       &[]api.Guest{},
		"Hosts":        &[]api.Host{},
		"Imported":     &api.Imported{},
		"Instance":     &instance.Instance{},
		"Progress":     &api.Progress{},
		"Refusals":     &[]api.Refusal{},
		"Registered":   &api.Registered{},
		"Reloaded":     &api.Reloaded{},
		"RunsOn":       &api.RunsOn{},
		"SSHGuests":    &[]api.SSHGuest{},
		"SSHKey":       &api.SSHKey{},
		"SSHAuthority": &api.SSHAuthority{},
		"Status":       &api.Status{},
		"Usage":        &api.Usage{},
	}
}

// TestWire holds the documents to what programs that read them rely on. A new
// field changes the golden file, which -update writes; a field that is there
// does not change its name, place or form.
func TestWire(t *testing.T) {
	all := messages()
	for _, message := range all {
		fill(t, reflect.ValueOf(message).Elem())
	}
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetIndent("", "  ")
	if err := enc.Encode(all); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/wire.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the documents differ from %s; with -update they are written there:\n%s", golden, got.Bytes())
	}
}

// fill gives every field of a value that JSON shows a value that is not zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)))
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		for _, form := range []string{"192.0.2.1", "192.0.2.0/24", "52:54:00:00:00:01", "7e5a544d-d555-4133-a443-8229415be701"} {
			if text.UnmarshalText([]byte(form)) == nil {
				return
			}
		}
		t.Fatalf("no text makes a %v", v.Type())
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" {
				fill(t, v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		t.Fatalf("%v is of a kind that no test knows", v.Type())
	}
}
