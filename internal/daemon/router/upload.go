package router

import (
	"errors"
	"fmt"
	"net"
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
	source, err := u.source(sentByRoot(r))
	if err != nil {
		refuseUpload(w, err.Error())
		return
	}
	u.take(source, w, r)
}

// source returns what a definition is registered by, or why it is not taken. notRoot is nil if
// root sent it.
func (u uploads) source(notRoot error) (string, error) {
	switch {
	case u.from == "socket":
		return "", errors.New("mdserver.upload is socket")
	case notRoot == nil:
		return instance.ByUpload, nil
	case u.from == "local":
		return instance.ByLocal, nil
	}
	return "", fmt.Errorf("mdserver.upload is root, and %w", notRoot)
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
	return checkSender(conn)
}

// checkSender returns nil if the process at the other end of a connection counts as root.
func checkSender(conn net.Conn) error {
	uid, err := sockdiag.Sender(conn)
	if err != nil {
		return fmt.Errorf("the sender's user is not known: %w", err)
	}
	return checkUser(int(uid), os.Geteuid())
}

// checkUser returns nil if a user is root or this server's own.
func checkUser(uid, own int) error {
	if uid != 0 && uid != own {
		return fmt.Errorf("the sender runs as user %d", uid)
	}
	return nil
}
