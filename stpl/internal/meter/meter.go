// Package meter counts what a render uses, and refuses what its limits do not
// allow: steps, memory, computing time and calls within calls.
package meter

import (
	"context"
	"fmt"
	"strings"
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

// Meter counts for one render. It belongs to the goroutine that renders, and
// must not be copied once it has counted.
type Meter struct {
	left   Budget
	glance int64 // with fewer steps left than this it looks at the clock
	depth  int
	levels int
	clock  stopwatch
	ctx    context.Context
	refuse Refuse
}

// Refuse makes the error of a limit that was reached. The limit is empty for a
// context that is done.
type Refuse func(limit Limit, message string) error

// New starts a render with a budget; End must end it.
func New(ctx context.Context, budget Budget, refuse Refuse) Meter {
	return Meter{left: budget, glance: budget.steps, clock: newStopwatch(budget.grace), ctx: ctx, refuse: refuse}
}

// End returns what is left of the budget. It must be called by the goroutine
// that rendered.
func (m *Meter) End() Budget {
	m.clock.stop(&m.left)
	return m.left
}

func (m *Meter) refused(limit Limit, format string, args ...any) error {
	return m.refuse(limit, fmt.Sprintf(format, args...))
}

// glanceSteps is after how many steps a meter looks at the clock and the
// context. Work of any length is charged by its size, so that this many take
// microseconds.
const glanceSteps = 32

// Step charges n steps and notices that time is up or the context is done.
func (m *Meter) Step(n int) error {
	m.left.steps -= int64(n)
	if m.left.steps < m.glance {
		return m.look()
	}
	return nil
}

// look tells what stops the render. When something does, each further step
// looks again.
func (m *Meter) look() error {
	if err := m.ctx.Err(); err != nil {
		return m.refused("", "the render was given up: %v", err)
	}
	elapsed := m.clock.since(m.clock.began)
	if elapsed >= m.clock.next {
		switch m.clock.check(&m.left, elapsed) {
		case computedTooLong:
			return m.TimeUp()
		case tookTooLong:
			return m.refused(LimitTime, "the template took more than %v by the clock", clockFactor*m.left.limits.Time)
		}
	}
	m.clock.yield(elapsed)
	if m.left.steps < 0 {
		return m.refused(LimitSteps, "the template took more than %d steps", m.left.limits.Steps)
	}
	m.glance = max(m.left.steps-glanceSteps, 0)
	return nil
}

// TimeLeft is how long the render may still compute. It is for work that does
// not count steps but takes a timeout.
func (m *Meter) TimeLeft() time.Duration {
	used := m.clock.since(m.clock.began)
	if m.clock.running {
		used = m.clock.used()
	}
	return m.left.limits.Time - m.left.computed - used
}

// TimeUp is the error of a render that computed for too long.
func (m *Meter) TimeUp() error {
	return m.refused(LimitTime, "the template computed for more than %v", m.left.limits.Time)
}

// Work charges steps for handling n bytes or items in one go.
func (m *Meter) Work(n int) error {
	return m.Step(1 + n/16)
}

// Scan charges steps for running over n bytes of text, which is quick: short
// texts cost nothing.
func (m *Meter) Scan(n int) error {
	return m.Step(n / 256)
}

// Alloc charges n bytes of memory, and steps for filling them. It must be
// called before allocating. What it refuses is not charged, so that a template
// may catch the error, as in Python.
func (m *Meter) Alloc(n int) error {
	if n < 0 || int64(n) > m.left.memory {
		return m.refused(LimitMemory, "the template needs more than %d bytes of memory", m.left.limits.Memory)
	}
	m.left.memory -= int64(n)
	m.left.steps -= int64(n) / bytesPerStep // the next step notices if that was too much
	return nil
}

// Charge charges memory for the result of handling n bytes or items, and the
// steps for that.
func (m *Meter) Charge(memory, n int) error {
	if err := m.Alloc(memory); err != nil {
		return err
	}
	return m.Work(n)
}

// bytesPerStep is how much new memory costs a step.
const bytesPerStep = 1024

// AllocN charges for n items of the given size, without overflow.
func (m *Meter) AllocN(n, size int) error {
	if int64(n) > m.left.memory/int64(size) {
		return m.Alloc(-1)
	}
	return m.Alloc(n * size)
}

// SlotSize is what one element of a container is charged: the slot itself, the
// room that a growing container takes, and the value behind it.
const SlotSize = 48

// AllocSlots charges for n elements of a container.
func (m *Meter) AllocSlots(n int) error { return m.AllocN(n, SlotSize) }

// ChargeSlots is Charge for n elements of a container.
func (m *Meter) ChargeSlots(n int) error {
	if err := m.AllocSlots(n); err != nil {
		return err
	}
	return m.Work(n)
}

// Repeat returns s n times, charged for.
func (m *Meter) Repeat(s string, n int) (string, error) {
	if s == "" || n <= 0 {
		return "", nil
	}
	if err := m.AllocN(n, len(s)); err != nil {
		return "", err
	}
	if err := m.Work(n * len(s)); err != nil {
		return "", err
	}
	return strings.Repeat(s, n), nil
}

// Enter notes one more nested call. Leave takes it back.
func (m *Meter) Enter() error {
	if m.depth >= m.left.limits.Recursion {
		return m.refused(LimitRecursion, "maximum recursion depth of %d exceeded", m.left.limits.Recursion)
	}
	m.depth++
	return nil
}

// Leave ends what Enter began.
func (m *Meter) Leave() { m.depth-- }

// levelsPerCall is how many closures may be within each other for each of the
// nested calls that a template may make. The runtime ends the whole program
// when a stack outgrows its limit, so that stacks must stay far below it.
const levelsPerCall = 50

// EnterCode notes one more nested call of code whose closures are so many
// levels within each other. LeaveCode takes it back.
func (m *Meter) EnterCode(levels int) error {
	if m.levels+levels > levelsPerCall*m.left.limits.Recursion {
		return m.refused(LimitRecursion, "maximum recursion depth exceeded: calls within large expressions")
	}
	if err := m.Enter(); err != nil {
		return err
	}
	m.levels += levels
	return nil
}

// LeaveCode ends what EnterCode began.
func (m *Meter) LeaveCode(levels int) {
	m.levels -= levels
	m.Leave()
}
