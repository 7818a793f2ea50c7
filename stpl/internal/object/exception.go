package object

import (
	"errors"
	"fmt"
	"slices"

	"mdserver/stpl/internal/meter"
)

// Exception is a raised or constructed exception. It is a value and an error.
type Exception struct {
	Kind *Type
	Args []Value
	// Attributes has the attributes other than args.
	Attributes map[string]Value
	// Fatal marks an exhausted limit on steps, time, output or includes, which
	// no template can catch.
	Fatal bool
	// File and Line say where it was raised: the innermost frame.
	File string
	Line int
	// Limit is the limit that was reached, if one was.
	Limit meter.Limit
	name  string // of a fatal kind
}

// KindName returns the name to print, as KeyError.
func (e *Exception) KindName() string {
	if e.name != "" {
		return e.name
	}
	return e.Kind.Name
}

// Message returns what str() gives in Python.
func (e *Exception) Message() string {
	switch len(e.Args) {
	case 0:
		return ""
	case 1:
		if e.Kind.IsSubclass(KeyError) {
			return PlainRepr(e.Args[0])
		}
		return PlainStr(e.Args[0])
	}
	if len(e.Args) == 2 && e.Kind.IsSubclass(OSError) {
		return "[Errno " + PlainStr(e.Args[0]) + "] " + PlainStr(e.Args[1])
	}
	return PlainRepr(Tuple(e.Args))
}

// messageSteps is charged for the text of an exception, which is short.
const messageSteps = 32

// Charge charges for an exception that a template is about to get hold of: its
// memory, and the work of making its message.
func (e *Exception) Charge(t *Thread) error {
	n := 256 + 128*len(e.Attributes)
	for _, a := range e.Args {
		if s, ok := a.(Str); ok {
			n += len(s)
		}
	}
	if err := t.Step(messageSteps + n/16); err != nil {
		return err
	}
	return t.Alloc(n)
}

// Error returns "Kind: message".
func (e *Exception) Error() string {
	if m := e.Message(); m != "" {
		return e.KindName() + ": " + m
	}
	return e.KindName()
}

// At notes where the exception was raised, unless that is known already.
func At(err error, file string, line int) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Exception](err); ok && e.Line == 0 {
		e.File, e.Line = file, line
	}
	return err
}

// Raise makes an exception of the given kind with a formatted message.
func Raise(kind *Type, format string, args ...any) error {
	return &Exception{Kind: kind, Args: []Value{Str(fmt.Sprintf(format, args...))}}
}

// RaiseValue makes an exception with one value as its argument.
func RaiseValue(kind *Type, arg Value) error {
	return &Exception{Kind: kind, Args: []Value{arg}}
}

// Fatal makes an exception that no template can catch.
func Fatal(name, format string, args ...any) error {
	return &Exception{Kind: BaseException, name: name, Fatal: true, Args: []Value{Str(fmt.Sprintf(format, args...))}}
}

// NewExceptionType makes an exception type of a module, as re.error.
func NewExceptionType(name string, base *Type) *Type {
	return &Type{Name: name, Base: base, exception: true}
}

// exceptionTypes are those that have built-in names.
var exceptionTypes []*Type

func excType(name string, base *Type) *Type {
	exceptionTypes = append(exceptionTypes, NewExceptionType(name, base))
	return exceptionTypes[len(exceptionTypes)-1]
}

// ExceptionTypes returns the exception types that have built-in names.
func ExceptionTypes() []*Type { return slices.Clone(exceptionTypes) }

// The exception types that templates can raise and catch.
var (
	BaseException       = excType("BaseException", ObjectType)
	ExceptionType       = excType("Exception", BaseException)
	ArithmeticError     = excType("ArithmeticError", ExceptionType)
	ZeroDivisionError   = excType("ZeroDivisionError", ArithmeticError)
	OverflowError       = excType("OverflowError", ArithmeticError)
	AssertionError      = excType("AssertionError", ExceptionType)
	AttributeError      = excType("AttributeError", ExceptionType)
	ImportError         = excType("ImportError", ExceptionType)
	ModuleNotFoundError = excType("ModuleNotFoundError", ImportError)
	LookupError         = excType("LookupError", ExceptionType)
	IndexError          = excType("IndexError", LookupError)
	KeyError            = excType("KeyError", LookupError)
	NameError           = excType("NameError", ExceptionType)
	UnboundLocalError   = excType("UnboundLocalError", NameError)
	OSError             = excType("OSError", ExceptionType)
	FileNotFoundError   = excType("FileNotFoundError", OSError)
	PermissionError     = excType("PermissionError", OSError)
	RuntimeError        = excType("RuntimeError", ExceptionType)
	NotImplementedError = excType("NotImplementedError", RuntimeError)
	StopIteration       = excType("StopIteration", ExceptionType)
	TypeError           = excType("TypeError", ExceptionType)
	ValueError          = excType("ValueError", ExceptionType)
	UnicodeError        = excType("UnicodeError", ValueError)
	UnicodeDecodeError  = excType("UnicodeDecodeError", UnicodeError)
	UnicodeEncodeError  = excType("UnicodeEncodeError", UnicodeError)
	WarningType         = excType("Warning", ExceptionType)
	EOFError            = excType("EOFError", ExceptionType)
	SyntaxErrorType     = excType("SyntaxError", ExceptionType)
	SystemExit          = excType("SystemExit", BaseException)
	KeyboardInterrupt   = excType("KeyboardInterrupt", BaseException)

	// The errors of an exhausted limit have these names, but cannot be caught.
	MemoryError    = excType("MemoryError", ExceptionType)
	RecursionError = excType("RecursionError", RuntimeError)
	TimeoutError   = excType("TimeoutError", OSError)

	// TemplateError has no name in Python.
	TemplateError = NewExceptionType("TemplateError", ExceptionType)
)
