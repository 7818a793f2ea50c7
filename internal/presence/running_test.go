package presence

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/watch"
)

// refusals tells every refusal's name and state.
func (r *Reconciler) refusals() []string {
	out := []string{}
	for _, refused := range r.inventory.Refusals().All() {
		out = append(out, fmt.Sprint(refused.Name, " ", refused.State))
	}
	return out
}

// What is refused is known as such until it is registered or gone.
func TestRefusals(t *testing.T) {
	r, ctx := newReconciler(t, time.Hour), t.Context()
	expect := func(want ...string) {
		t.Helper()
		if got := r.refusals(); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("refused are %q, want %q", got, want)
		}
	}
	listed := func(unreadable []watch.Unreadable, domains ...watch.Domain) {
		t.Helper()
		if err := r.Listed(ctx, time.Now(), domains, unreadable); err != nil {
			t.Fatal(err)
		}
	}
	broken := watch.Unreadable{UUID: id(4), Name: "broken", Err: errors.New("its <vcpu> is no number")}
	twin := domain(1, "twin", "mds")
	twin.UUID = id(2)
	listed(nil, domain(1, "web1", "mds"))
	listed([]watch.Unreadable{broken}, domain(1, "web1", "mds"), twin, domain(3, "other", "lan"))
	expect("broken refused", "twin refused", "other unserved")

	t.Log("a domain that is mended, and one that is gone")
	if err := r.Seen(ctx, domain(2, "twin", "mds")); err != nil {
		t.Fatal(err)
	}
	expect("broken refused", "other unserved")
	if err := r.Left(ctx, id(3), false); err != nil {
		t.Fatal(err)
	}
	expect("broken refused")
	r.Unread(broken)
	expect("broken refused")

	t.Log("what is not in a list any more is gone")
	listed(nil, domain(1, "web1", "mds"), domain(2, "twin", "mds"))
	expect()

	t.Log("a hook's word that is younger than the list")
	began := time.Now()
	late := domain(1, "late", "mds").Domain
	late.UUID, late.Source = id(5), instance.ByHook
	if _, err := r.inventory.Register(ctx, late); err == nil {
		t.Fatal("registered with another's MAC")
	}
	if err := r.Listed(ctx, began, []watch.Domain{domain(1, "web1", "mds")}, nil); err != nil {
		t.Fatal(err)
	}
	expect("late refused")
}

func TestRunning(t *testing.T) {
	r, ctx := newReconciler(t, time.Hour), t.Context()
	expect := func(want string) {
		t.Helper()
		running, known := r.Running(id(1))
		if got := fmt.Sprint(running, known); got != want {
			t.Errorf("running and known are %s, want %s", got, want)
		}
	}
	expect("false false")
	web1 := domain(1, "web1", "mds")
	for _, running := range []bool{false, true, false, true} {
		web1.Running = running
		if err := r.Seen(ctx, web1); err != nil {
			t.Fatal(err)
		}
		expect(fmt.Sprint(running, " true"))
	}
	if err := r.Left(ctx, id(1), false); err != nil {
		t.Fatal(err)
	}
	expect("false false")
	if err := r.Listed(ctx, time.Now(), []watch.Domain{web1}, nil); err != nil {
		t.Fatal(err)
	}
	expect("true true")
	if !r.FoundRunning(id(1)) {
		t.Error("a domain that ran before it was listed is said to have been started since")
	}
	for _, running := range []bool{false, true} {
		web1.Running = running
		if err := r.Seen(ctx, web1); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Listed(ctx, time.Now(), []watch.Domain{web1}, nil); err != nil {
		t.Fatal(err)
	}
	if r.FoundRunning(id(1)) {
		t.Error("a domain that was started again is said to have run before")
	}
	if err := r.Listed(ctx, time.Now(), nil, nil); err != nil {
		t.Fatal(err)
	}
	expect("false false")
}
