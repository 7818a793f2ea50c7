package object

import (
	"context"
	"time"
)

// Limits bounds one render. Every field must be positive.
type Limits struct {
	Steps     int64         // statements, calls, loop turns and pieces of bulk work
	Memory    int64         // bytes allocated for values over the whole render
	Output    int64         // bytes of text
	Time      time.Duration // computing time; ten times that by the clock
	Recursion int           // nested calls, and nesting of a value that is walked
}

// Limit names one of the Limits.
type Limit string

// The limits that a render can reach.
const (
	LimitSteps     Limit = "steps"
	LimitMemory    Limit = "memory"
	LimitOutput    Limit = "output"
	LimitTime      Limit = "time"
	LimitRecursion Limit = "recursion"
)

// Budget is what is left of the limits for one render, or for several that
// count as one.
type Budget struct {
	limits   Limits
	steps    int64
	memory   int64
	computed time.Duration // by the renders before
	grace    time.Duration // computing time that is not measured
}

// NewBudget returns a budget that is as large as the limits.
func NewBudget(limits Limits) Budget {
	return Budget{limits: limits, steps: limits.Steps, memory: limits.Memory, grace: limits.Time / 16}
}

// Used returns how many steps were taken and how much memory was asked for.
func (b Budget) Used() (steps, memory int64) {
	return b.limits.Steps - b.steps, b.limits.Memory - b.memory
}

// Thread is the state of one render. It belongs to one goroutine.
type Thread struct {
	left   Budget
	glance int64 // with fewer steps left than this it looks at the clock
	depth  int
	levels int
	clock  stopwatch
	ctx    context.Context

	joined growing
	room   *Room // never nil

	// Handling is the stack of exceptions being handled, innermost last; a
	// bare "raise" repeats the last one.
	Handling []*Exception

	local map[any]any
}

// NewThread starts a render with a budget; End must end it. Without a room of
// another render it allocates as it goes.
func NewThread(ctx context.Context, budget Budget, room *Room) *Thread {
	if room == nil {
		room = new(Room)
	}
	return &Thread{
		left: budget, glance: budget.steps,
		clock: newStopwatch(budget.grace), ctx: ctx, room: room,
	}
}

// End returns what is left of the budget. It must be called by the goroutine
// that rendered.
func (t *Thread) End() Budget {
	t.clock.stop(&t.left)
	return t.left
}

// Local returns what a package keeps within one render under a key of its own
// type; build makes it when it is asked for first.
func (t *Thread) Local(key any, build func() any) any {
	if v, ok := t.local[key]; ok {
		return v
	}
	if t.local == nil {
		t.local = map[any]any{}
	}
	v := build()
	t.local[key] = v
	return v
}

// glanceSteps is after how many steps a thread looks at the clock and the
// context. Work of any length is charged by its size, so that this many take
// microseconds.
const glanceSteps = 32

// Step charges n steps and notices that time is up or the context is done.
func (t *Thread) Step(n int) error {
	t.left.steps -= int64(n)
	if t.left.steps < t.glance {
		return t.look()
	}
	return nil
}

// look tells what stops the render. When something does, each further step
// looks again.
func (t *Thread) look() error {
	if err := t.ctx.Err(); err != nil {
		return Fatal("TimeoutError", "the render was given up: %v", err)
	}
	elapsed := t.clock.since(t.clock.began)
	if elapsed >= t.clock.next {
		if err := t.clock.check(&t.left, elapsed); err != nil {
			return err
		}
	}
	t.clock.yield(elapsed)
	if t.left.steps < 0 {
		return reached(LimitSteps, Fatal("TimeoutError", "the template took more than %d steps", t.left.limits.Steps))
	}
	t.glance = max(t.left.steps-glanceSteps, 0)
	return nil
}

// Work charges steps for handling n bytes or items in one go.
func (t *Thread) Work(n int) error {
	return t.Step(1 + n/16)
}

// Scan charges steps for running over n bytes of text, which is quick: short
// texts cost nothing.
func (t *Thread) Scan(n int) error {
	return t.Step(n / 256)
}

// Alloc charges n bytes of memory, and steps for filling them. It must be
// called before allocating. What it refuses is not charged, so that a template
// may catch the error, as in Python.
func (t *Thread) Alloc(n int) error {
	if n < 0 || int64(n) > t.left.memory {
		return reached(LimitMemory, Raise(MemoryError, "the template needs more than %d bytes of memory", t.left.limits.Memory))
	}
	t.left.memory -= int64(n)
	t.left.steps -= int64(n) / bytesPerStep // the next step notices if that was too much
	return nil
}

// Charge charges memory for the result of handling n bytes or items, and the
// steps for that.
func (t *Thread) Charge(memory, n int) error {
	if err := t.Alloc(memory); err != nil {
		return err
	}
	return t.Work(n)
}

// bytesPerStep is how much new memory costs a step.
const bytesPerStep = 1024

// AllocN charges for n items of the given size, without overflow.
func (t *Thread) AllocN(n, size int) error {
	if n > 0 && int64(n) > t.left.memory/int64(size) {
		return t.Alloc(-1)
	}
	return t.Alloc(n * size)
}

// slotSize is what one element of a container is charged: the slot itself, the
// room that a growing container takes, and the value behind it.
const slotSize = 48

// AllocSlots charges for n elements of a container.
func (t *Thread) AllocSlots(n int) error { return t.AllocN(n, slotSize) }

// chargeSlots is Charge for n elements of a container.
func (t *Thread) chargeSlots(n int) error {
	if err := t.AllocSlots(n); err != nil {
		return err
	}
	return t.Work(n)
}

// Enter notes one more nested call. Leave takes it back.
func (t *Thread) Enter() error {
	if t.depth >= t.left.limits.Recursion {
		return reached(LimitRecursion, Raise(RecursionError, "maximum recursion depth of %d exceeded", t.left.limits.Recursion))
	}
	t.depth++
	return nil
}

// Leave ends what Enter began.
func (t *Thread) Leave() { t.depth-- }

// levelsPerCall is how many closures may be within each other for each of the
// nested calls that a template may make. The runtime ends the whole program
// when a stack outgrows its limit, so that stacks must stay far below it.
const levelsPerCall = 50

// EnterCode notes one more nested call of code whose closures are so many
// levels within each other. LeaveCode takes it back.
func (t *Thread) EnterCode(levels int) error {
	if t.levels+levels > levelsPerCall*t.left.limits.Recursion {
		return reached(LimitRecursion, Raise(RecursionError, "maximum recursion depth exceeded: calls within large expressions"))
	}
	if err := t.Enter(); err != nil {
		return err
	}
	t.levels += levels
	return nil
}

// LeaveCode ends what EnterCode began.
func (t *Thread) LeaveCode(levels int) {
	t.levels -= levels
	t.Leave()
}
