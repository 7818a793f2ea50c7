package numeric

import (
	"encoding/binary"
	"math/big"
)

// mersenne is the generator MT19937, seeded and read as CPython's random
// does. Source: M. Matsumoto, T. Nishimura, 1998, and their init_by_array.
type mersenne struct {
	state [624]uint32
	next  int
}

func (m *mersenne) seed(s uint32) {
	m.state[0] = s
	for i := uint32(1); i < 624; i++ {
		m.state[i] = 1812433253*(m.state[i-1]^m.state[i-1]>>30) + i
	}
	m.next = 624
}

// seedInt seeds with an integer of any size; its sign does not count.
func (m *mersenne) seedInt(n *big.Int) {
	n = new(big.Int).Abs(n)
	key := make([]uint32, max(1, (n.BitLen()+31)/32))
	b := n.FillBytes(make([]byte, 4*len(key)))
	for i := range key {
		key[i] = binary.BigEndian.Uint32(b[len(b)-4*(i+1):])
	}
	m.seedKey(key)
}

func (m *mersenne) seedKey(key []uint32) {
	m.seed(19650218)
	i, j := 1, 0
	mix := func(factor uint32) uint32 { return m.state[i] ^ (m.state[i-1]^m.state[i-1]>>30)*factor }
	step := func() {
		if i++; i >= 624 {
			m.state[0] = m.state[623]
			i = 1
		}
	}
	for range max(624, len(key)) {
		m.state[i] = mix(1664525) + key[j] + uint32(j)
		step()
		j = (j + 1) % len(key)
	}
	for range 623 {
		m.state[i] = mix(1566083941) - uint32(i)
		step()
	}
	m.state[0] = 1 << 31
}

func (m *mersenne) refill() {
	for i := range m.state {
		y := m.state[i]&(1<<31) | m.state[(i+1)%624]&(1<<31-1)
		v := m.state[(i+397)%624] ^ y>>1
		if y&1 == 1 {
			v ^= 0x9908b0df
		}
		m.state[i] = v
	}
	m.next = 0
}

// word returns 32 random bits.
func (m *mersenne) word() uint32 {
	if m.next >= 624 {
		m.refill()
	}
	y := m.state[m.next]
	m.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// float returns a number of 53 bits, at least 0 and less than 1.
func (m *mersenne) float() float64 {
	a, b := m.word()>>5, m.word()>>6
	return (float64(a)*67108864 + float64(b)) / 9007199254740992
}

// bits returns an integer of k random bits.
func (m *mersenne) bits(k int) *big.Int {
	if k <= 32 {
		if k <= 0 {
			return new(big.Int)
		}
		return new(big.Int).SetUint64(uint64(m.word() >> (32 - k)))
	}
	n := (k + 31) / 32
	b := make([]byte, 4*n)
	for i := range n {
		w := m.word()
		if left := k - 32*i; left < 32 {
			w >>= 32 - left
		}
		binary.BigEndian.PutUint32(b[4*(n-1-i):], w)
	}
	return new(big.Int).SetBytes(b)
}

// below returns an integer less than n, which is positive.
func (m *mersenne) below(n *big.Int) *big.Int {
	k := n.BitLen()
	for {
		if r := m.bits(k); r.Cmp(n) < 0 {
			return r
		}
	}
}

// index returns an index less than n, which is positive.
func (m *mersenne) index(n int) int {
	return int(m.below(big.NewInt(int64(n))).Int64())
}
