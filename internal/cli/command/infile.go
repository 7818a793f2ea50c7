package command

import (
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
)

// ReadInput reads a file that the user names, or standard input if path is "-".
func ReadInput(cmd *cobra.Command, path string) ([]byte, error) {
	in, err := OpenInput(cmd, path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	return data, exit.With(exit.Unreadable, err)
}

// OpenInput opens a file that the user names, or standard input if path is "-".
func OpenInput(cmd *cobra.Command, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, exit.With(exit.Unreadable, err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, exit.With(exit.Unreadable, &os.PathError{Op: "read", Path: path, Err: syscall.EISDIR})
	}
	return file, nil
}
