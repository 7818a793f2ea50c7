package userdata

import (
	"os"
	"path/filepath"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// shortestSecret keeps common words such as "yes" from being blotted out of
// messages.
const shortestSecret = 5

// redactor returns a function that replaces the values of secrets in a text:
// an error of a template quotes values now and then.
func redactor(cfg *config.Config) func(string) string {
	var pairs []string
	for _, v := range cfg.InForce() {
		text, ok := v.Value.(string)
		if v.Secret && ok && len(text) >= shortestSecret {
			pairs = append(pairs, text, "[secret]")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// keepForDebugging writes what a guest gets below run_dir when debug_userdata asks
// for it, readable by the server's own user only. The Python mdserver wrote to
// /tmp, where any user could read it, or create the file first.
func (r *Renderer) keepForDebugging(doc document, guest *instance.Instance, rendered Rendered) {
	if r.debugDir == "" {
		return
	}
	path := filepath.Join(r.debugDir, guest.UUID.String()+"."+strings.ReplaceAll(doc.kind, "-", ""))
	err := os.MkdirAll(r.debugDir, 0o700)
	if err == nil {
		err = os.WriteFile(path, rendered.Body, 0o600)
	}
	if err != nil {
		r.log.Warn("debug_userdata: "+doc.kind+" not kept", "error", err)
		return
	}
	r.log.Debug("debug_userdata: "+doc.kind+" kept", "guest", guest.Name, "file", path)
}
