package etcdstore

import (
	"context"
	"testing"
	"time"

	"mdserver/internal/instance"
)

// TestArrivalWhileCutOff: a host that is cut off hears that a guest has left it. That is
// added to what the guest's new host has made of the guest meanwhile.
func TestArrivalWhileCutOff(t *testing.T) {
	received := func(what string) instance.Domain {
		dom := started(1, "web")
		dom.Received = what == "migrate"
		return dom
	}
	for name, tt := range map[string]struct {
		meanwhile func(t *testing.T, other *host) error
		want      instance.Home // nothing: the guest is released
		disks     int
	}{
		"nothing": {func(*testing.T, *host) error { return nil },
			instance.Home{HostID: "kvm2", Host: "kvm2", Epoch: 2, Run: instance.Running}, 0},
		"changed": {func(t *testing.T, other *host) error {
			dom := received("prepare")
			dom.Disks = []instance.Disk{{Target: "vda", Device: "disk"}}
			_, err := other.Register(t.Context(), dom)
			return err
		}, instance.Home{HostID: "kvm2", Host: "kvm2", Epoch: 2, Run: instance.Running}, 1},
		"runs, then stops": {func(t *testing.T, other *host) error {
			_, err := other.Observe(t.Context(), received("prepare"), true)
			if err == nil {
				err = other.Stopped(t.Context(), uid(1), "-")
			}
			return err
		}, instance.Home{HostID: "kvm2", Host: "kvm2", Epoch: 2}, 0},
		"sent back": {func(t *testing.T, other *host) error { return other.Stopped(t.Context(), uid(1), "-") },
			instance.Home{HostID: "kvm1", Host: "kvm1", Epoch: 3, Run: instance.Running}, 0},
		"released": {func(t *testing.T, other *host) error {
			_, err := other.Release(t.Context(), "web")
			return err
		}, instance.Home{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, startEtcd(t))
			opts := options("10.0.0.0/24")
			opts.HostID, opts.HostName = "kvm1", "kvm1"
			h := newLossyHost(t, client, opts)
			cut := h.lossy
			opts.HostID, opts.HostName = "kvm2", "kvm2"
			other := newHost(t, client, opts)
			if _, err := h.Register(t.Context(), received("prepare")); err != nil {
				t.Fatal(err)
			}
			agree(t, []*host{h, other})
			for _, operation := range []string{"migrate", "prepare"} {
				if _, err := other.Register(t.Context(), received(operation)); err != nil {
					t.Fatal(err)
				}
			}
			agree(t, []*host{h, other})

			cut.lose.Store(1 << 20)
			if err := h.Stopped(context.Background(), uid(1), "-"); err != nil {
				t.Fatal(err)
			}
			if guest, ok := h.Snapshot().ByUUID(uid(1)); !ok || !guest.Unshared || guest.FromID != "" || guest.Run != instance.Running {
				t.Errorf("cut off, it is %+v, unshared: %v", guest.Home, guest.Unshared)
			}
			if err := h.Stopped(context.Background(), uid(2), "-"); err != nil {
				t.Errorf("a domain that is no guest: %v", err)
			}
			if err := tt.meanwhile(t, other); err != nil {
				t.Fatal(err)
			}
			cut.lose.Store(0)
			within(t, 10*time.Second, h.allShared)
			agree(t, []*host{h, other})
			guest, ok := h.Snapshot().ByUUID(uid(1))
			switch {
			case ok != (tt.want != instance.Home{}):
				t.Errorf("it is there: %v", ok)
			case ok && (guest.Home != tt.want || len(guest.Disks) != tt.disks):
				t.Errorf("it is %+v with %d disks, want %+v, %d", guest.Home, len(guest.Disks), tt.want, tt.disks)
			}
			if _, told := h.Refusals().Of(uid(1)); told && ok {
				t.Error("it is said to be dropped")
			}
			if _, ok := h.Snapshot().ByUUID(uid(2)); ok {
				t.Error("a domain that stops was registered")
			}
		})
	}
}

// TestStopOfTheReleased: a host that is cut off hears that a guest has stopped, and
// another host has released the guest meanwhile. It stays released, although the first
// host has changed its address before.
func TestStopOfTheReleased(t *testing.T) {
	client := connect(t, startEtcd(t))
	opts := options("10.0.0.0/24")
	opts.HostID, opts.HostName = "kvm1", "kvm1"
	h := newLossyHost(t, client, opts)
	opts.HostID, opts.HostName = "kvm2", "kvm2"
	other := newHost(t, client, opts)
	for _, addr := range []string{"10.0.0.50", "10.0.0.60"} {
		if _, err := h.Register(t.Context(), started(1, "web", "ipv4", addr)); err != nil {
			t.Fatal(err)
		}
	}
	agree(t, []*host{h, other})
	h.lossy.lose.Store(1 << 20)
	if err := h.Stopped(context.Background(), uid(1), "-"); err != nil {
		t.Fatal(err)
	}
	if guest, ok := h.Snapshot().ByUUID(uid(1)); !ok || !guest.Unshared || guest.Run != instance.NotRunning {
		t.Errorf("cut off, it is %+v, unshared: %v", guest.Home, guest.Unshared)
	}
	if _, err := other.Release(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	h.lossy.lose.Store(0)
	within(t, 10*time.Second, h.allShared)
	for _, guest := range agree(t, []*host{h, other}).Instances {
		t.Errorf("it is there again: %+v", guest)
	}
}
