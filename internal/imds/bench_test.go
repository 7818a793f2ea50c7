package imds

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// BenchmarkVerify is what the token of each request costs.
func BenchmarkVerify(b *testing.B) {
	key, guest, now := NewKey(), uuid.New(), time.Now()
	token := key.Issue(guest, now.Add(time.Hour))
	for b.Loop() {
		if err := key.Verify(token, guest, now); err != nil {
			b.Fatal(err)
		}
	}
}
