package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is one way to write a value of type T.
type kind[T any] struct {
	accepts string // completes "accepted: "
	quotes  bool   // quotes around the whole value carry no meaning
	parse   func(text string) (T, error)
}

// binding ties a kind to the field of Config that holds the value.
type binding struct {
	accepts string
	quotes  bool
	set     func(c *Config, text string) error
	get     func(c *Config) any
	copy    func(to, from *Config)
}

func bind[T any](k kind[T], field func(*Config) *T) binding {
	return binding{
		accepts: k.accepts,
		quotes:  k.quotes,
		set: func(c *Config, text string) error {
			v, err := k.parse(text)
			if err == nil {
				*field(c) = v
			}
			return err
		},
		get:  func(c *Config) any { return *field(c) },
		copy: func(to, from *Config) { *field(to) = *field(from) },
	}
}

var (
	errEmpty   = errors.New("nothing is set")
	errControl = errors.New("has a line break or a control character")
)

func whole(low, high int) kind[int] {
	return kind[int]{
		accepts: fmt.Sprintf("a whole number from %d to %d", low, high),
		quotes:  true,
		parse: func(text string) (int, error) {
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

// units is a whole number that counts a unit of time.
func units(low, high int, unit time.Duration, name string) kind[time.Duration] {
	number := whole(low, high)
	return kind[time.Duration]{
		accepts: fmt.Sprintf("a whole number of %s from %d to %d", name, low, high),
		quotes:  true,
		parse: func(text string) (time.Duration, error) {
			n, err := number.parse(text)
			return time.Duration(n) * unit, err
		},
	}
}

// duration is a Go duration, or a plain number of seconds.
func duration(high time.Duration) kind[time.Duration] {
	return kind[time.Duration]{
		accepts: fmt.Sprintf("a duration such as 90s, 30m or 1h30m, or a number of seconds, at most %gh", high.Hours()),
		quotes:  true,
		parse: func(text string) (time.Duration, error) {
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

// positive is a duration that is not zero.
func positive(k kind[time.Duration]) kind[time.Duration] {
	parse := k.parse
	k.accepts += ", more than 0"
	k.parse = func(text string) (time.Duration, error) {
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

func isTrue(text string) bool  { return slices.Contains(trueWords, strings.ToLower(text)) }
func isFalse(text string) bool { return slices.Contains(falseWords, strings.ToLower(text)) }

var boolean = kind[bool]{
	accepts: "yes, no, true, false, on, off, 1 or 0",
	quotes:  true,
	parse: func(text string) (bool, error) {
		if isTrue(text) || isFalse(text) {
			return isTrue(text), nil
		}
		return false, errors.New("neither yes nor no")
	},
}

func choice(words ...string) kind[string] {
	return kind[string]{
		accepts: strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1],
		quotes:  true,
		parse: func(text string) (string, error) {
			text = strings.ToLower(text)
			if !slices.Contains(words, text) {
				return "", errors.New("not one of the choices")
			}
			return text, nil
		},
	}
}

// level takes Python's names, the aliases of its logging module too.
var level = kind[slog.Level]{
	accepts: "debug, info, warning, error or critical",
	quotes:  true,
	parse: func(text string) (slog.Level, error) {
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
			return LevelCritical, nil
		}
		return 0, errors.New("not a log level")
	},
}

// line is any text on one line.
var line = kind[string]{
	accepts: "text on one line",
	parse: func(text string) (string, error) {
		return text, plain(text)
	},
}

// secret is line, with None for nothing as the Python mdserver's sample wrote it.
var secret = kind[string]{
	accepts: "text on one line, or nothing",
	parse: func(text string) (string, error) {
		if isNone(text) {
			return "", nil
		}
		return text, plain(text)
	},
}

func isNone(text string) bool { return text == "" || text == "None" }

// plain refuses what would break out of a line of a log or a generated file.
func plain(text string) error {
	if strings.ContainsFunc(text, isControl) {
		return errControl
	}
	return nil
}

func isControl(r rune) bool {
	return r < 0x20 || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029'
}
