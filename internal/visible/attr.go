package visible

import (
	"encoding"
	"fmt"
	"log/slog"
)

// Lengths of a log's fields, in bytes.
const (
	maxMessage = 16 << 10 // a panic comes with its stack
	maxField   = 1 << 10
)

// Attr prepares the fields of a log: it is a slog.HandlerOptions' ReplaceAttr.
// All that is a text, or is printed as one, is made Quotable.
func Attr(groups []string, a slog.Attr) slog.Attr {
	limit := maxField
	if len(groups) == 0 && a.Key == slog.MessageKey {
		limit = maxMessage
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Quotable(a.Value.String(), limit))
	case slog.KindAny:
		a.Value = anyValue(a.Value.Any(), limit)
	}
	return a
}

func anyValue(value any, limit int) slog.Value {
	switch v := value.(type) {
	case *slog.Source, slog.Level:
		return slog.AnyValue(value)
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = Quotable(s, limit)
		}
		return slog.AnyValue(list)
	case error:
		return slog.StringValue(Quotable(v.Error(), limit))
	case encoding.TextMarshaler:
		if text, err := v.MarshalText(); err == nil {
			return slog.StringValue(Quotable(string(text), limit))
		}
	}
	return slog.StringValue(Quotable(fmt.Sprintf("%+v", value), limit))
}
