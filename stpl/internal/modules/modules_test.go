package modules_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"mdserver/stpl/internal/modules"
)

func TestNames(t *testing.T) {
	names := modules.Names()
	if !slices.IsSorted(names) {
		t.Errorf("the names are not sorted: %v", names)
	}
	for _, want := range strings.Fields("base64 crypt datetime hashlib ipaddress json math os os.path random re string textwrap time uuid collections gzip operator shlex struct yaml zlib") {
		if !modules.Known(want) || !slices.Contains(names, want) {
			t.Errorf("module %s is missing", want)
		}
	}
	for _, no := range []string{"subprocess", "socket", "", "os.environ", "sys.path"} {
		if modules.Known(no) {
			t.Errorf("module %q is known", no)
		}
	}
}

func TestHas(t *testing.T) {
	tests := []struct {
		module, member string
		want           bool
	}{
		{"re", "sub", true}, {"os", "path", true}, {"os.path", "join", true}, {"datetime", "timedelta", true},
		{"os", "system", false}, {"time", "sleep", false}, {"json", "load", false}, {"re", "nope", false}, {"nope", "x", false},
	}
	for _, tt := range tests {
		if got := modules.Has(tt.module, tt.member); got != tt.want {
			t.Errorf("Has(%q, %q) is %v", tt.module, tt.member, got)
		}
	}
}

func TestRefused(t *testing.T) {
	tests := []struct{ code, want string }{
		{"os.system('true')", "PermissionError: os.system is not available in templates: templates start no programs"},
		{"os.listdir('/')", "PermissionError: os.listdir is not available in templates: templates do not see the host's files"},
		{"time.sleep(1)", "PermissionError: time.sleep is not available in templates: a render cannot wait"},
		{"yaml.unsafe_load('a')", "PermissionError: yaml.unsafe_load is not available in templates: templates load plain data only: use yaml.safe_load"},
		{"yaml.safe_dump([1], open_file)", "PermissionError: templates have no files: use the text that yaml.dump returns"},
		{"os.environ", "environ({})"},
	}
	for _, tt := range tests {
		got, err := evaluate(t.Context(), limits, "import os, time, yaml", "open_file = 1", tt.code)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.code, got, tt.want)
		}
	}
	_, err := evaluate(t.Context(), limits, "try:", "    import subprocess", "except ValueError:", "    pass", "1")
	if err == nil || !strings.Contains(err.Error(), "No module named 'subprocess' (templates can import base64, ") {
		t.Errorf("import of subprocess: %v", err)
	}
}

// TestConcurrent shares the modules among renders, each with its own seed.
func TestConcurrent(t *testing.T) {
	code := []string{"import random, re, datetime", "random.seed(3)", "[random.random(), re.sub('a+', 'b', 'caat'), str(datetime.date(2024, 1, 1))]"}
	want, err := evaluate(t.Context(), limits, code...)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got, err := evaluate(t.Context(), limits, code...); got != want || err != nil {
					t.Errorf("got %s, %v, want %s", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}
