package numeric

import (
	"crypto/rand"
	"crypto/sha512"
	"math"
	"math/big"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// generator is a random.Random.
type generator struct{ mersenne }

// Class implements object.Value.
func (*generator) Class() *object.Type { return generatorType }

var generatorType = object.NewType("Random", "random", nil)

func init() {
	for _, f := range randomFunctions() {
		generatorType.Define(object.Method(f.name, f.signature, f.call).Python(f.name))
	}
	generatorType.Constructor(native.Func("Random", "x?", func(t *object.Thread, a []object.Value) (object.Value, error) {
		if err := t.Alloc(4096); err != nil {
			return nil, err
		}
		g := &generator{}
		return g, g.reseed(t, a[0])
	}))
}

// randomKey finds the render's own generator.
type randomKey struct{}

// shared is the generator of the module's functions in this render.
func shared(t *object.Thread) *generator {
	return t.Local(randomKey{}, func() any {
		g := &generator{}
		g.entropy()
		return g
	}).(*generator)
}

// Random makes the module random.
func Random() native.Members {
	m := native.Members{"Random": generatorType}
	for _, f := range randomFunctions() {
		m[f.name] = native.Func(f.name, f.signature, func(t *object.Thread, a []object.Value) (object.Value, error) {
			return f.call(t, shared(t), a)
		}).Python("Random." + f.name)
	}
	native.Refuse(m, "random", "use the module secrets", "SystemRandom")
	return m
}

type randomFunction struct {
	name, signature string
	call            func(t *object.Thread, g *generator, a []object.Value) (object.Value, error)
}

func randomFunctions() []randomFunction {
	return []randomFunction{
		{"seed", "a? version?", func(t *object.Thread, g *generator, a []object.Value) (object.Value, error) {
			return object.None, g.reseed(t, a[0])
		}},
		{"random", "", func(_ *object.Thread, g *generator, _ []object.Value) (object.Value, error) {
			return object.Float(g.float()), nil
		}},
		{"getrandbits", "k:int", func(t *object.Thread, g *generator, a []object.Value) (object.Value, error) {
			k := object.IntOr(a[0], 0)
			switch {
			case k < 0:
				return nil, object.Raise(object.ValueError, "number of bits must be non-negative")
			case k > 1<<18:
				return nil, object.Raise(object.OverflowError, "integers of more than %d bits are not supported", 1<<18)
			}
			return object.MakeInt(g.bits(k)), native.Charge(t, k/8)
		}},
		{"randrange", "start:int stop:none+int? step:none+int?", func(_ *object.Thread, g *generator, a []object.Value) (object.Value, error) {
			return g.randrange(a)
		}},
		{"randint", "a:int b:int", func(t *object.Thread, g *generator, a []object.Value) (object.Value, error) {
			stop, err := object.Binary(t, object.Add, a[1], object.Int(1))
			if err != nil {
				return nil, err
			}
			return g.randrange([]object.Value{a[0], stop, nil})
		}},
		{"choice", "seq", choice},
		{"choices", "population * k:int?", choices},
		{"shuffle", "x", shuffle},
		{"sample", "population k:int", sample},
		{"uniform", "a:float b:float", func(_ *object.Thread, g *generator, a []object.Value) (object.Value, error) {
			low, high := native.Number(a[0]), native.Number(a[1])
			return object.Float(low + (high-low)*g.float()), nil
		}},
	}
}

func (g *generator) entropy() {
	var b [64]byte
	rand.Read(b[:]) //nolint:errcheck // it never fails
	g.seedInt(new(big.Int).SetBytes(b[:]))
}

func (g *generator) reseed(t *object.Thread, v object.Value) error {
	var data []byte
	switch s := v.(type) {
	case object.Str:
		data = []byte(s)
	case object.Bytes:
		data = []byte(s)
	default:
		n, ok := object.BigInt(v)
		switch {
		case native.IsNone(v):
			g.entropy()
		case ok:
			if err := t.Work(n.BitLen() / 8); err != nil {
				return err
			}
			g.seedInt(n)
		default:
			return object.Raise(object.TypeError, "the seed must be an int, str, bytes or None here, not %s", object.TypeName(v))
		}
		return nil
	}
	if err := native.Charge(t, 4*len(data)+1024); err != nil {
		return err
	}
	sum := sha512.Sum512(data)
	g.seedInt(new(big.Int).SetBytes(append(data, sum[:]...)))
	return nil
}

func (g *generator) randrange(a []object.Value) (object.Value, error) {
	start := native.Integer(a[0])
	if native.IsNone(a[1]) {
		if start.Sign() <= 0 {
			return nil, object.Raise(object.ValueError, "empty range for randrange()")
		}
		return object.MakeInt(g.below(start)), nil
	}
	stop, step := native.Integer(a[1]), big.NewInt(1)
	if !native.IsNone(a[2]) {
		step = native.Integer(a[2])
	}
	width := new(big.Int).Sub(stop, start)
	one := big.NewInt(1)
	switch step.Sign() {
	case 0:
		return nil, object.Raise(object.ValueError, "zero step for randrange()")
	case 1:
		width.Add(width, step).Sub(width, one)
	default:
		width.Add(width, step).Add(width, one)
	}
	n := width.Quo(width, step)
	if n.Sign() <= 0 {
		if step.Cmp(one) != 0 {
			return nil, object.Raise(object.ValueError, "empty range for randrange()")
		}
		return nil, object.Raise(object.ValueError, "empty range for randrange() (%v, %v, %v)", start, stop, new(big.Int).Sub(stop, start))
	}
	r := g.below(n)
	return object.MakeInt(r.Mul(r, step).Add(r, start)), nil
}

func choice(t *object.Thread, g *generator, a []object.Value) (object.Value, error) {
	return native.Choice(t, a[0], g.index)
}

func shuffle(t *object.Thread, g *generator, a []object.Value) (object.Value, error) {
	n, err := object.Len(a[0])
	if err != nil {
		return nil, err
	}
	for i := n - 1; i > 0; i-- {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		x, y := object.Int(i), object.Int(g.index(i+1))
		vx, err := object.Index(t, a[0], x)
		if err != nil {
			return nil, err
		}
		vy, err := object.Index(t, a[0], y)
		if err != nil {
			return nil, err
		}
		if err := object.SetIndex(t, a[0], x, vy); err != nil {
			return nil, err
		}
		if err := object.SetIndex(t, a[0], y, vx); err != nil {
			return nil, err
		}
	}
	return object.None, nil
}

func sample(t *object.Thread, g *generator, a []object.Value) (object.Value, error) {
	_, isSet := a[0].(*object.Set)
	_, isDict := a[0].(*object.Dict)
	n, err := object.Len(a[0])
	if err != nil || isSet || isDict {
		return nil, object.Raise(object.TypeError, "Population must be a sequence.  For dicts or sets, use sorted(d).")
	}
	k := object.IntOr(a[1], 0)
	if k < 0 || k > n {
		return nil, object.Raise(object.ValueError, "Sample larger than population or is negative")
	}
	small := 21
	if k > 5 {
		small += int(math.Pow(4, math.Ceil(math.Log(float64(k)*3)/math.Log(4))))
	}
	if err := t.AllocN(k, 96); err != nil {
		return nil, err
	}
	at := g.distinct(n)
	if n <= small {
		if err := t.AllocN(n, 16); err != nil {
			return nil, err
		}
		at = g.drawn(n)
	}
	out := make([]object.Value, k)
	for i := range out {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		if out[i], err = object.Index(t, a[0], object.Int(at())); err != nil {
			return nil, err
		}
	}
	return object.NewList(out), nil
}

// drawn returns indices taken out of a pool of n.
func (g *generator) drawn(n int) func() int {
	pool := make([]int, n)
	for i := range pool {
		pool[i] = i
	}
	return func() int {
		j := g.index(n)
		n--
		v := pool[j]
		pool[j] = pool[n]
		return v
	}
}

// distinct returns indices below n that were not returned before.
func (g *generator) distinct(n int) func() int {
	seen := map[int]bool{}
	return func() int {
		j := g.index(n)
		for seen[j] {
			j = g.index(n)
		}
		seen[j] = true
		return j
	}
}

func choices(t *object.Thread, g *generator, a []object.Value) (object.Value, error) {
	n, err := object.Len(a[0])
	if err != nil {
		return nil, err
	}
	k := object.IntOr(a[1], 1)
	if n == 0 && k > 0 {
		return nil, object.Raise(object.IndexError, "list index out of range")
	}
	out := object.NewList(nil)
	for range max(k, 0) {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		v, err := object.Index(t, a[0], object.Int(math.Floor(g.float()*float64(n))))
		if err != nil {
			return nil, err
		}
		if err := out.Append(t, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}
