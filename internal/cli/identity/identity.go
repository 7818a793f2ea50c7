// Package identity has the commands that verify guests' identity documents.
package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/identity"
)

// Command is the command identity, with those below it.
func Command() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "identity",
		Short:   "Verify a guest's identity",
		Example: "  mdserver identity ca > mdserver-identity.pem",
		Long: `Let services verify a guest's identity. A guest finds a document of its own
at /latest/dynamic/instance-identity/document, and its signatures beside it:
signature, pkcs7 and rsa2048. The guest sends both to a service, which
verifies them with the certificate that "mdserver identity ca" prints.`,
	}, caCommand(), verifyCommand())
}

// authority is what `mdserver identity ca --json` prints.
type authority struct {
	Subject     string    `json:"subject"`
	Fingerprint string    `json:"sha256_fingerprint"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Certificate string    `json:"certificate"`
}

func caCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ca",
		Short:   "Print the certificate for verifying identity documents",
		Example: "  mdserver identity ca > mdserver-identity.pem",
		Args:    command.Exactly(0),
	}
	text := func(w io.Writer, a authority) error { return output.Printf(w, "%s", output.Verbatim(a.Certificate)) }
	return view.Query(cmd, view.View[authority]{Text: text}, func(ctx context.Context, server *client.Client, _ []string) (authority, error) {
		certificate, err := server.Identity(ctx)
		if err != nil {
			return authority{}, err
		}
		return newAuthority(certificate)
	})
}

func newAuthority(certificate []byte) (authority, error) {
	parsed, err := identity.ParseCertificate(certificate)
	if err != nil {
		return authority{}, fmt.Errorf("answer of mdserver: %w", err)
	}
	sum := sha256.Sum256(parsed.Raw)
	return authority{
		Subject: parsed.Subject.String(), Fingerprint: hex.EncodeToString(sum[:]),
		NotBefore: parsed.NotBefore, NotAfter: parsed.NotAfter, Certificate: string(certificate),
	}, nil
}

func verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify DOCUMENT SIGNATURE",
		Short: "Verify an identity document by one of its signatures",
		Long: `Verify an identity document by one of its signatures: files with what a guest
got as document, and as signature, pkcs7 or rsa2048. The exit code is 1 if the
document is not genuine. With --ca, no server is needed.`,
		Example: "  mdserver identity verify --ca mdserver-identity.pem document rsa2048",
		Args:    command.Exactly(2),
	}
	ca := cmd.Flags().String("ca", "", "`FILE` with the authority's certificate (default: ask the server)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		document, err := os.ReadFile(args[0])
		if err != nil {
			return exit.With(exit.Unreadable, err)
		}
		signature, err := os.ReadFile(args[1])
		if err != nil {
			return exit.With(exit.Unreadable, err)
		}
		certificate, source := []byte(nil), *ca
		if source != "" {
			certificate, err = os.ReadFile(source)
			err = exit.With(exit.Unreadable, err)
		} else {
			certificate, err = serverCertificate(cmd)
		}
		if err != nil {
			return err
		}
		err = identity.Verify(certificate, document, signature)
		switch {
		case errors.Is(err, identity.ErrNoCertificate):
			return fmt.Errorf("%s: %w", source, err)
		case err != nil:
			return fmt.Errorf("%s with %s: %w", args[0], args[1], err)
		}
		output.Printf(cmd.OutOrStdout(), "%s is genuine\n", args[0])
		return nil
	}
	return cmd
}

func serverCertificate(cmd *cobra.Command) ([]byte, error) {
	server, err := command.Connect(cmd)
	if err != nil {
		return nil, err
	}
	return server.Identity(cmd.Context())
}
