package boottime

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestNow(t *testing.T) {
	first := Now()
	time.Sleep(time.Millisecond)
	if passed := Now() - first; first <= 0 || passed < time.Millisecond || passed > time.Minute {
		t.Errorf("%s since the boot, then %s more", first, passed)
	}
}

func TestID(t *testing.T) {
	first, err := ID()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := ID(); err != nil || first != second {
		t.Errorf("this boot is named %s, then %s, %v", first, second, err)
	}
}

// The kernel shows the same time as the first number of /proc/uptime: proc_uptime(5).
func TestNowIsTheUptime(t *testing.T) {
	before := Now()
	text, err := os.ReadFile("/proc/uptime")
	after := Now()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	uptime, err := time.ParseDuration(first + "s")
	if err != nil || uptime < before-10*time.Millisecond || uptime > after {
		t.Errorf("%s (%v) is not between %s and %s", uptime, err, before, after)
	}
}
