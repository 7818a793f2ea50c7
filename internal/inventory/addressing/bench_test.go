package addressing

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/rules"
)

// BenchmarkFullNetwork chooses for a guest where others have all addresses of a /16.
func BenchmarkFullNetwork(b *testing.B) {
	for _, state := range []instance.PresenceState{instance.Present, instance.Gone} {
		b.Run(string(state), func(b *testing.B) {
			network := instance.Network{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/16")}
			r := rules.New(rules.Options{Networks: []instance.Network{network}})
			pools, _ := r.Network("mds")
			table, conflicts := index.Build(full(state, pools.Pool4.Size()), "mds")
			if len(conflicts) > 0 {
				b.Fatal(conflicts[0].Err)
			}
			c := Chooser{Table: table.Edit(), Rules: r}
			for b.Loop() {
				if choice, err := c.Choose(pools.Pool4, claimOf()); err != nil || choice.From == nil && state == instance.Gone {
					b.Fatal(choice, err)
				}
			}
		})
	}
}

// full is so many guests in a state, with the addresses from 10.0.0.1 on.
func full(state instance.PresenceState, guests int) (table instance.Table) {
	for i := range guests {
		number := binary.BigEndian.AppendUint32(nil, uint32(i+1))
		id := uuid.NewSHA1(uuid.Nil, number)
		table.Instances = append(table.Instances, instance.Instance{ID: fmt.Sprint("i-", i), UUID: id, Name: fmt.Sprint("g", i), Hostname: fmt.Sprint("g", i), Network: "mds",
			MAC: instance.MAC{2, 0, number[0], number[1], number[2], number[3]}, IPv4: netip.AddrFrom4([4]byte{10, 0, number[2], number[3]}),
			Presence: instance.Presence{State: state, Since: start}})
	}
	return table
}
