package dnsmasq

import (
	"context"
	"fmt"
	"os"
)

// readFurther reads the administrator's lines, "" for no file.
func readFurther(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the further lines for dnsmasq: %w", err)
	}
	return string(text) + "\n", nil
}

// CheckFile has dnsmasq check a file with further lines for its configuration.
func CheckFile(ctx context.Context, binary, path string) error {
	if _, err := readFurther(path); err != nil {
		return err
	}
	s := Settings{Binary: binary}
	return s.test(ctx, s.asServer, path)
}

// dropFurther leaves out further lines that dnsmasq refuses, so that guests get
// their addresses all the same. It reports why, if so.
func (s *Settings) dropFurther(ctx context.Context) error {
	err := s.furtherErr
	if err == nil && s.further != "" {
		text, _ := s.configuration()
		err = s.tryOut(ctx, text)
	}
	if err != nil {
		s.further, s.furtherErr = "", nil
		return fmt.Errorf("dnsmasq runs without the lines of %s: %w", s.ConfFile, err)
	}
	return nil
}
