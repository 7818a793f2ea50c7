package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"mdserver/internal/dnsmasq/files"
)

// checkTimeout bounds the time that dnsmasq takes to check a configuration.
const checkTimeout = 10 * time.Second

// Check has dnsmasq check a configuration file, as the user that will read it.
func Check(ctx context.Context, place files.Place, conf string) error {
	h := newHost(place)
	start, _, err := h.starter(false)
	if err != nil {
		return err
	}
	return h.check(ctx, start, conf)
}

// CheckAsServer has dnsmasq check a configuration file as the server's user. It
// needs no launcher, which may start later than the server.
func CheckAsServer(ctx context.Context, place files.Place, conf string) error {
	h := newHost(place)
	return h.check(ctx, h.asServer, conf)
}

func (h host) check(ctx context.Context, start starter, conf string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var out bytes.Buffer
	process, err := start([]string{"--test", "--conf-file=" + conf}, &out)
	if err == nil {
		kill := context.AfterFunc(ctx, func() { _ = process.Signal(syscall.SIGKILL) })
		err = process.Wait()
		kill()
	}
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("dnsmasq is not installed (package dnsmasq-base), or dnsmasq.binary is wrong: %w", err)
	case err != nil:
		return fmt.Errorf("dnsmasq refuses its configuration: %s: %w", strings.TrimSpace(out.String()), err)
	}
	return nil
}
