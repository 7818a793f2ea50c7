package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/output"
)

// NewFileMode is the mode of files that commands make.
const NewFileMode = 0o600

// OutputFlag adds --output to a command that prints a document; give its value
// to WriteOutput.
func OutputFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("output", "o", "-", "`FILE` to write instead of standard output, -")
}

// WriteOutput prints data if path is "-", and writes it to that file else.
func WriteOutput(cmd *cobra.Command, path string, data []byte) error {
	if path == "-" {
		return output.Raw(cmd, data)
	}
	return WriteFile(path, data, NewFileMode)
}

// WriteFile writes a file as a whole or, if it fails, not at all. A file that
// exists keeps its mode and owner, and a symbolic link stays one; mode is that
// of a new file. What is no regular file, such as a pipe, is written to.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := replaceFile(path, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func replaceFile(path string, data []byte, mode fs.FileMode) error {
	if path == "" {
		return errors.New("the name of the file is empty; - is standard output")
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = newTarget(path)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return replace(target, data, mode, nil)
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return os.WriteFile(target, data, mode)
	}
	return replace(target, data, info.Mode().Perm(), info)
}

// newTarget is the path of a file that does not exist, or the error of a
// symbolic link to nowhere.
func newTarget(path string) (string, error) {
	if _, err := os.Lstat(path); err == nil {
		return "", errors.New("it is a symbolic link to a file that does not exist")
	}
	return path, nil
}

func replace(path string, data []byte, mode fs.FileMode, former fs.FileInfo) error {
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return err
	}
	defer file.Cleanup() // does nothing after the file has taken its place
	if _, err := file.Write(data); err != nil {
		return err
	}
	if former != nil {
		if owner, ok := former.Sys().(*syscall.Stat_t); ok {
			if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return err
			}
		}
	}
	if err := file.Chmod(mode); err != nil { // after chown, which may clear bits
		return err
	}
	return file.CloseAtomicallyReplace()
}
