package router

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"mdserver/internal/daemon/httpserver"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/sockdiag"
)

// uploads takes definitions by TCP from those of this host's processes that may
// register guests. That a request comes from this host is known before.
type uploads struct {
	from string // config.Server.Upload
	take func(source string, w http.ResponseWriter, r *http.Request)
}

// ServeHTTP implements http.Handler.
func (u uploads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u.from == "socket" {
		refuseUpload(w, "mdserver.upload is socket")
		return
	}
	err := sentByRoot(r)
	switch {
	case err == nil:
		u.take(instance.ByUpload, w, r)
	case u.from == "local":
		u.take(instance.ByLocal, w, r)
	default:
		refuseUpload(w, "mdserver.upload is root, and "+err.Error())
	}
}

func refuseUpload(w http.ResponseWriter, reason string) {
	httpcommon.Refuse(w, http.StatusForbidden, "Upload refused: "+reason+
		"; send it as root, use `mdserver instance add FILE`, or set mdserver.upload in mdserver.conf\n")
}

// sentByRoot returns nil if the process that sends a request runs as root, or
// as the user that this server runs as.
func sentByRoot(r *http.Request) error {
	conn, ok := httpserver.ConnOf(r)
	if !ok {
		return errors.New("the request's connection is not known")
	}
	uid, err := sockdiag.Sender(conn)
	switch {
	case err != nil:
		return fmt.Errorf("the sender's user is not known: %w", err)
	case uid != 0 && int(uid) != os.Geteuid():
		return fmt.Errorf("the sender runs as user %d", uid)
	}
	return nil
}
