package imds

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/boottime"
)

// BenchmarkVerify is what the token of each request costs.
func BenchmarkVerify(b *testing.B) {
	key, guest, now := NewKey(), uuid.New(), boottime.Now()
	token := key.Issue(guest, now+time.Hour)
	for b.Loop() {
		if err := key.Verify(token, guest, now); err != nil {
			b.Fatal(err)
		}
	}
}
