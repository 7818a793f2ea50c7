package lower

import (
	"errors"

	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// handler is one except clause.
type handler struct {
	kind   eval // nil: everything
	as     assign
	forget exec // unbinds the name again, nil without one
	body   exec
	pos    position
}

func (c *compiler) try(s *syntax.Try) exec {
	if len(s.Handlers) > 0 {
		c.tries++
	}
	body := c.block(s.Body)
	if len(s.Handlers) > 0 {
		c.tries--
	}
	handlers := make([]handler, len(s.Handlers))
	for i, h := range s.Handlers {
		handlers[i] = c.handler(h)
	}
	guarded := catch(body, handlers, c.block(s.Else))
	if s.Finally == nil {
		return guarded
	}
	return finally(guarded, c.block(s.Finally))
}

func (c *compiler) handler(h syntax.Handler) handler {
	out := handler{body: c.block(h.Body), pos: c.at(h)}
	if h.Kind != nil {
		out.kind = c.expr(h.Kind)
	}
	if h.As != "" {
		out.as = c.store(h.As)
		out.forget = c.unset(&syntax.Name{Pos: h.Pos, ID: h.As})
	}
	return out
}

func catch(body exec, handlers []handler, otherwise exec) exec {
	return func(f *frame) (control, error) {
		how, err := body(f)
		if err == nil {
			if how == next {
				return otherwise(f)
			}
			return how, nil
		}
		e := catchable(err)
		if e == nil {
			return next, err
		}
		for i := range handlers {
			ok, failed := handlers[i].matches(f, e)
			if failed != nil {
				return next, failed
			}
			if ok {
				if err := e.Charge(f.t); err != nil {
					return next, handlers[i].pos.wrap(err)
				}
				return handlers[i].run(f, e)
			}
		}
		return next, err
	}
}

// catchable returns the exception that a template may handle; an exhausted
// limit is none.
func catchable(err error) *object.Exception {
	if e, ok := errors.AsType[*object.Exception](err); ok && !e.Fatal {
		return e
	}
	return nil
}

func (h *handler) matches(f *frame, e *object.Exception) (bool, error) {
	if h.kind == nil {
		return true, nil
	}
	kind, err := h.kind(f)
	if err != nil {
		return false, err
	}
	proper, err := isExceptionSpec(f.t, kind)
	if err != nil {
		return false, h.pos.wrap(err)
	}
	if !proper {
		return false, h.pos.wrap(object.Raise(object.TypeError,
			"catching classes that do not inherit from BaseException is not allowed"))
	}
	ok, err := object.IsInstance(f.t, e.Kind, kind, "except")
	return ok, h.pos.wrap(err)
}

// isExceptionSpec reports whether v is an exception type or a tuple of such.
func isExceptionSpec(t *object.Thread, v object.Value) (bool, error) {
	switch v := v.(type) {
	case *object.Type:
		return v.IsException(), nil
	case object.Tuple:
		if err := t.Enter(); err != nil {
			return false, err
		}
		defer t.Leave()
		for _, item := range v {
			if err := t.Step(1); err != nil {
				return false, err
			}
			if ok, err := isExceptionSpec(t, item); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

func (h *handler) run(f *frame, e *object.Exception) (control, error) {
	if h.as != nil {
		if err := h.as(f, e); err != nil {
			return next, err
		}
	}
	f.t.Handling = append(f.t.Handling, e)
	how, err := h.body(f)
	f.t.Handling = f.t.Handling[:len(f.t.Handling)-1]
	if h.forget != nil {
		_, _ = h.forget(f) // the body may have deleted it already
	}
	return how, err
}

// finally runs last in any case, and wins when it returns, breaks, continues or
// fails. An exhausted limit ends the render at once.
func finally(body, last exec) exec {
	return func(f *frame) (control, error) {
		how, err := body(f)
		e := catchable(err)
		if err != nil && e == nil {
			return next, err
		}
		result := f.result
		if e != nil {
			f.t.Handling = append(f.t.Handling, e)
		}
		lastHow, lastErr := last(f)
		if e != nil {
			f.t.Handling = f.t.Handling[:len(f.t.Handling)-1]
		}
		if lastErr != nil || lastHow != next {
			return lastHow, lastErr
		}
		f.result = result
		return how, err
	}
}

func (c *compiler) raise(s *syntax.Raise) exec {
	pos := c.at(s)
	if s.X == nil {
		return func(f *frame) (control, error) {
			if n := len(f.t.Handling); n > 0 {
				return next, f.t.Handling[n-1]
			}
			return next, pos.wrap(object.Raise(object.RuntimeError, "No active exception to reraise"))
		}
	}
	x, cause := c.expr(s.X), c.optional(s.Cause)
	return func(f *frame) (control, error) {
		v, from, err := both(f, x, cause)
		if err != nil {
			return next, err
		}
		err = raised(f.t, v)
		if s.Cause != nil {
			err = checkCause(f.t, err, from)
		}
		return next, pos.wrap(err)
	}
}

// checkCause makes sure that "from" named an exception; it is not kept.
func checkCause(t *object.Thread, err error, cause object.Value) error {
	cause, failed := instance(t, cause)
	if failed != nil {
		return failed
	}
	if _, ok := cause.(*object.Exception); !ok && cause != object.None {
		return object.Raise(object.TypeError, "exception causes must derive from BaseException")
	}
	return err
}

// instance makes an exception of an exception type.
func instance(t *object.Thread, v object.Value) (object.Value, error) {
	if kind, ok := v.(*object.Type); ok && kind.IsException() {
		return object.CallPos(t, kind)
	}
	return v, nil
}

// raised makes an error of what a raise statement was given.
func raised(t *object.Thread, v object.Value) error {
	v, err := instance(t, v)
	if err != nil {
		return err
	}
	if e, ok := v.(*object.Exception); ok {
		return e
	}
	return object.Raise(object.TypeError, "exceptions must derive from BaseException")
}
