package backup

import (
	"fmt"
	"io"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// BenchmarkWrite is what a snapshot costs besides the disk. It holds up nothing, as
// it is made from an immutable table.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{300, 50_000} {
		b.Run(fmt.Sprint(n, " guests"), func(b *testing.B) {
			var table instance.Table
			for i := range n {
				id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i))
				table.Instances = append(table.Instances, instance.Instance{
					ID: instance.DeriveID(id), Name: fmt.Sprint("guest", i), UUID: id, Hostname: fmt.Sprint("guest", i),
				})
			}
			for b.Loop() {
				if err := Write(io.Discard, New("host", "1.0", table, nil, "")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
