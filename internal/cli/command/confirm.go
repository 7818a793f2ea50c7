package command

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
)

// ErrDeclined ends a command whose question was not answered with yes.
var ErrDeclined = errors.New("nothing was changed")

// YesFlag adds --yes to a command that asks before it changes something.
func YesFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("yes", "y", false, "do not ask")
}

// NeedsTerminal is the error of a command that must ask and cannot. The purpose
// completes "use --yes".
func NeedsTerminal(cmd *cobra.Command, purpose string) error {
	if output.IsTerminal(cmd.InOrStdin()) {
		return nil
	}
	return exit.With(exit.Usage, errors.New("not a terminal; use --yes "+purpose))
}

// Confirm asks a question; all but yes is an error.
func Confirm(cmd *cobra.Command, question string) error {
	output.Printf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return ErrDeclined
}
