// Package kind has the ways to write one value of mdserver.conf: which text is
// accepted, what it means, and what is wrong with other text. It knows neither keys
// nor files.
package kind

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is one way to write a value of type T.
type Kind[T any] struct {
	Accepts string // completes "accepted: "
	Quotes  bool   // quotes around the whole value carry no meaning

	// Parse reads a text. Its errors complete a message that begins with the key
	// and the text.
	Parse func(text string) (T, error)
}

// ErrEmpty refuses an empty text where a value is needed.
var ErrEmpty = errors.New("nothing is set")

var errControl = errors.New("has a line break or a control character")

// Whole is a whole number from low to high.
func Whole(low, high int) Kind[int] {
	return Kind[int]{
		Accepts: fmt.Sprintf("a whole number from %d to %d", low, high),
		Quotes:  true,
		Parse: func(text string) (int, error) {
			n, err := strconv.Atoi(text)
			switch {
			case errors.Is(err, strconv.ErrRange), err == nil && (n < low || n > high):
				return 0, errors.New("out of range")
			case err != nil:
				return 0, errors.New("not a whole number")
			}
			return n, nil
		},
	}
}

// Units is a whole number that counts a unit of time.
func Units(low, high int, unit time.Duration, name string) Kind[time.Duration] {
	number := Whole(low, high)
	return Kind[time.Duration]{
		Accepts: fmt.Sprintf("a whole number of %s from %d to %d", name, low, high),
		Quotes:  true,
		Parse: func(text string) (time.Duration, error) {
			n, err := number.Parse(text)
			return time.Duration(n) * unit, err
		},
	}
}

// Duration is a Go duration, or a plain number of seconds.
func Duration(high time.Duration) Kind[time.Duration] {
	return Kind[time.Duration]{
		Accepts: fmt.Sprintf("a duration such as 90s, 30m or 1h30m, or a number of seconds, at most %gh", high.Hours()),
		Quotes:  true,
		Parse: func(text string) (time.Duration, error) {
			d, err := time.ParseDuration(text)
			if n, failed := strconv.Atoi(text); failed == nil && n <= int(high/time.Second) {
				d, err = time.Duration(n)*time.Second, nil
			}
			switch {
			case err != nil:
				return 0, errors.New("not a duration")
			case d < 0 || d > high:
				return 0, errors.New("out of range")
			}
			return d, nil
		},
	}
}

// Positive is a duration that is not zero.
func Positive(k Kind[time.Duration]) Kind[time.Duration] {
	parse := k.Parse
	k.Accepts += ", more than 0"
	k.Parse = func(text string) (time.Duration, error) {
		d, err := parse(text)
		if err == nil && d == 0 {
			err = errors.New("out of range")
		}
		return d, err
	}
	return k
}

// The words that Python's strtobool knows.
var (
	trueWords  = []string{"y", "yes", "t", "true", "on", "1"}
	falseWords = []string{"n", "no", "f", "false", "off", "0"}
)

// IsTrue reports whether text is a word for yes.
func IsTrue(text string) bool { return slices.Contains(trueWords, strings.ToLower(text)) }

// IsFalse reports whether text is a word for no.
func IsFalse(text string) bool { return slices.Contains(falseWords, strings.ToLower(text)) }

// Boolean is yes or no, in all words of Python's strtobool.
var Boolean = Kind[bool]{
	Accepts: "yes, no, true, false, on, off, 1 or 0",
	Quotes:  true,
	Parse: func(text string) (bool, error) {
		if IsTrue(text) || IsFalse(text) {
			return IsTrue(text), nil
		}
		return false, errors.New("neither yes nor no")
	},
}

// Choice is one of at least two words, in any case. The value is in lower case.
func Choice(words ...string) Kind[string] {
	return Kind[string]{
		Accepts: strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1],
		Quotes:  true,
		Parse: func(text string) (string, error) {
			text = strings.ToLower(text)
			if !slices.Contains(words, text) {
				return "", errors.New("not one of the choices")
			}
			return text, nil
		},
	}
}

// levelCritical is Python's CRITICAL, one step above slog's error.
const levelCritical = slog.LevelError + 4

// Level takes Python's names, the aliases of its logging module too.
var Level = Kind[slog.Level]{
	Accepts: "debug, info, warning, error or critical",
	Quotes:  true,
	Parse: func(text string) (slog.Level, error) {
		switch strings.ToLower(text) {
		case "debug", "notset":
			return slog.LevelDebug, nil
		case "info":
			return slog.LevelInfo, nil
		case "warning", "warn":
			return slog.LevelWarn, nil
		case "error":
			return slog.LevelError, nil
		case "critical", "fatal":
			return levelCritical, nil
		}
		return 0, errors.New("not a log level")
	},
}

// Line is any text on one line.
var Line = Kind[string]{
	Accepts: "text on one line",
	Parse: func(text string) (string, error) {
		return text, Plain(text)
	},
}

// Secret is Line, with None for nothing as the Python mdserver's sample wrote it.
var Secret = Kind[string]{
	Accepts: "text on one line, or nothing",
	Parse: func(text string) (string, error) {
		if IsNone(text) {
			return "", nil
		}
		return text, Plain(text)
	},
}

// IsNone reports whether text says that nothing is set.
func IsNone(text string) bool { return text == "" || text == "None" }

// Plain refuses what would break out of a line of a log or a generated file.
func Plain(text string) error {
	if strings.ContainsFunc(text, isControl) {
		return errControl
	}
	return nil
}

func isControl(r rune) bool {
	return r < 0x20 || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// Unquote drops one pair of quotes around the whole text.
func Unquote(text string) string {
	if n := len(text); n >= 2 && (text[0] == '\'' || text[0] == '"') && text[n-1] == text[0] {
		return text[1 : n-1]
	}
	return text
}
