package boottime

import (
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
