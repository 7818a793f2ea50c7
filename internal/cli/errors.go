package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/config"
)

// reportError prints the error of a command: as a document if the command was
// asked for one, so that programs can read its code.
func reportError(w io.Writer, format string, err error) {
	document := api.Error{Error: err.Error(), Code: errorCode(err)}
	switch format {
	case view.FormatJSON:
		_ = output.JSON(w, document) // nowhere to report it
	case view.FormatYAML:
		_ = output.YAML(w, document)
	default:
		output.Error(w, err)
	}
}

// errorCode is the code of an error for programs.
func errorCode(err error) api.ErrorCode {
	var refused *client.Error
	if errors.As(err, &refused) && refused.Code != "" {
		return refused.Code
	}
	for _, kind := range []struct {
		err  error
		code api.ErrorCode
	}{
		{client.ErrNotRunning, api.CodeNotRunning},
		{client.ErrUnreachable, api.CodeUnreachable},
		{command.ErrDeclined, api.CodeDeclined},
	} {
		if errors.Is(err, kind.err) {
			return kind.code
		}
	}
	switch exit.Code(err) {
	case exit.Usage:
		return api.CodeUsage
	case exit.NotFound:
		return api.CodeNotFound
	}
	_, configuration := errors.AsType[*config.Problem](err)
	switch {
	case configuration:
		return api.CodeConfiguration
	case errors.Is(err, fs.ErrNotExist):
		return api.CodeNoFile
	case errors.Is(err, fs.ErrPermission):
		return api.CodePermissionDenied
	}
	return api.CodeFailed
}

// errorCodesMarkdown is the table of error codes in Markdown.
func errorCodesMarkdown() string {
	var b strings.Builder
	b.WriteString("## Error codes\n\nWith `-o json` or `--json`, an error is a document on standard error, such as\n" +
		"`{\"error\": \"no such guest: …\", \"code\": \"not_found\"}`; with `-o yaml`, it is the same in YAML.\n\n" +
		"| code | meaning |\n|---|---|\n")
	for _, e := range api.ErrorCodes {
		b.WriteString(fmt.Sprintf("| `%s` | %s |\n", e.Code, e.Meaning))
	}
	return b.String()
}
