package inventory_test

import (
	"testing"
	"time"

	"mdserver/internal/inventory/storetest"
)

// A store that hangs holds up the writer, which shows in Writing, and no reader.
func TestHungStore(t *testing.T) {
	store := &faulty{Memory: storetest.NewMemory()}
	l := labOn(t, store)
	l.MustRegister(dom(1, "web1"))
	reached, answer, done := make(chan struct{}), make(chan struct{}), make(chan error)
	store.apply = func(commit func() error) error {
		close(reached)
		<-answer
		return commit()
	}
	go func() {
		_, err := l.Register(t.Context(), dom(2, "web2"))
		done <- err
	}()
	<-reached
	first := l.Writing()
	time.Sleep(time.Millisecond)
	if second := l.Writing(); first <= 0 || second < first+time.Millisecond {
		t.Errorf("the present write has taken %s, then %s", first, second)
	}
	if l.Snapshot().Len() != 1 {
		t.Errorf("%d guests while the store hangs, want 1", l.Snapshot().Len())
	}
	close(answer)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// The answer is sent just before the batch ends.
	for deadline := time.Now().Add(10 * time.Second); l.Writing() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the writer does not end its batch")
		}
	}
}
