package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"os"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
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
	s := host{Place: files.Place{Settings: content.Settings{Binary: binary}}}
	return s.test(ctx, s.asServer, path)
}

// checkFurther has dnsmasq check the further lines within the configuration. It
// needs no launcher, which may start later than the server.
func (s host) checkFurther(ctx context.Context) error {
	if s.Lines == "" {
		return nil
	}
	if err := s.MakeDirs(); err != nil {
		return err
	}
	text, _ := s.Configuration()
	return s.testText(ctx, s.asServer, text)
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
