package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/dnsmasq/process"
)

// readFurther reads the administrator's lines, "" for no file.
func readFurther(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("conf_file: %w", err)
	}
	return string(text) + "\n", nil
}

// CheckFile has dnsmasq check a file with further lines for its configuration.
func CheckFile(ctx context.Context, binary, path string) error {
	if _, err := readFurther(path); err != nil {
		return err
	}
	return process.CheckAsServer(ctx, files.Place{Settings: content.Settings{Binary: binary}}, path)
}

// tryOut has dnsmasq check a configuration that is not in place yet. One that
// mdserver does not run is asked about the administrator's lines only.
func (s host) tryOut(ctx context.Context, text string) error {
	if s.Mode != content.Child {
		return s.checkFurther(ctx)
	}
	return s.tryText(ctx, process.Check, text)
}

// tryText puts a configuration where dnsmasq can read it, and checks it.
func (s host) tryText(ctx context.Context, check func(context.Context, files.Place, string) error, text string) error {
	if err := s.MakeDirs(); err != nil {
		return err
	}
	candidate := filepath.Join(s.Scratch(), "candidate.conf")
	if err := os.WriteFile(candidate, []byte(text), files.Mode); err != nil {
		return fmt.Errorf("writing dnsmasq's new configuration: %w", err)
	}
	defer func() { _ = os.Remove(candidate) }() // else the next start clears it
	return check(ctx, s.Place, candidate)
}

// checkFurther has dnsmasq check the administrator's lines within the configuration.
func (s host) checkFurther(ctx context.Context) error {
	if s.Lines == "" {
		return nil
	}
	text, _ := s.Configuration()
	return s.tryText(ctx, process.CheckAsServer, text)
}

// dropFurther leaves out further lines that dnsmasq refuses, so that guests get
// their addresses all the same. It reports why, if so.
func (s *host) dropFurther(ctx context.Context) error {
	if err := errors.Join(s.linesErr, s.checkFurther(ctx)); err != nil {
		s.Lines, s.linesErr = "", nil
		return fmt.Errorf("dnsmasq runs without the lines of %s: %w", s.ConfFile, err)
	}
	return nil
}
