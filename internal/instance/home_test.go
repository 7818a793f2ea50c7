package instance

import "testing"

func TestRunsOn(t *testing.T) {
	for _, tt := range []struct {
		home Home
		host string
		want bool
	}{
		{Home{HostID: "a"}, "a", false},
		{Home{HostID: "a", Run: Starting}, "a", true},
		{Home{HostID: "a", Run: Running}, "a", true},
		{Home{HostID: "a", Run: Running}, "b", false},
		{Home{HostID: "b", Run: Starting, FromID: "a"}, "a", true},
		{Home{HostID: "b", Run: Starting, FromID: "a"}, "b", false},
	} {
		if got := tt.home.RunsOn(tt.host); got != tt.want {
			t.Errorf("%+v runs on %q: %v, want %v", tt.home, tt.host, got, tt.want)
		}
	}
}

func TestServedBy(t *testing.T) {
	for _, tt := range []struct {
		home Home
		host string
		want bool
	}{
		{Home{}, "", true},
		{Home{}, "a", true},
		{Home{HostID: "a"}, "a", true},
		{Home{HostID: "a"}, "b", false},
		{Home{HostID: "a"}, "", true},
		{Home{HostID: "b", FromID: "a"}, "a", true},
		{Home{HostID: "b", FromID: "a"}, "b", true},
		{Home{HostID: "b", FromID: "a"}, "c", false},
	} {
		if got := tt.home.ServedBy(tt.host); got != tt.want {
			t.Errorf("%+v is served by %q: %v, want %v", tt.home, tt.host, got, tt.want)
		}
	}
}
