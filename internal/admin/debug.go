package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
	"mdserver/internal/sockdiag"
)

// dumps are what /v1/debug answers, by name. They take no lock of the server's,
// so that they work while requests hang.
var dumps = map[string]func(*bytes.Buffer) error{
	"goroutines": func(w *bytes.Buffer) error { return pprof.Lookup("goroutine").WriteTo(w, 2) },
	"heap": func(w *bytes.Buffer) error {
		runtime.GC() // the profile is as of the last one
		return pprof.Lookup("heap").WriteTo(w, 0)
	},
	"allocs": func(w *bytes.Buffer) error { return pprof.Lookup("allocs").WriteTo(w, 0) },
}

type peerKey struct{}

// WithPeer remembers who opened a connection to the control socket. It is for
// the ConnContext of the server of [Backend.Handler].
func WithPeer(ctx context.Context, conn net.Conn) context.Context {
	unixConn, ok := conn.(syscall.Conn)
	if !ok {
		return ctx
	}
	uid, err := sockdiag.PeerUser(unixConn)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// rootOnly refuses everybody but root and the server's own user, who may read the
// server's memory anyway.
func rootOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		uid, known := r.Context().Value(peerKey{}).(uint32)
		if !known || uid != 0 && int(uid) != os.Getuid() {
			refuseWith(w, http.StatusForbidden, api.CodeForbidden, errors.New("only root may debug the server"))
			return
		}
		next(w, r)
	}
}

func debug(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("dump")
	write, ok := dumps[name]
	if !ok {
		accepted := slices.Sorted(maps.Keys(dumps))
		refuseWith(w, http.StatusBadRequest, api.CodeInvalid, fmt.Errorf("unknown dump %q, accepted: %s", name, strings.Join(accepted, ", ")))
		return
	}
	var dump bytes.Buffer // all of it or an error
	if err := write(&dump); err != nil {
		refuseWith(w, http.StatusInternalServerError, api.CodeInternal, err)
		return
	}
	w.Header().Set("Content-Type", httpcommon.TypeBytes)
	_, _ = w.Write(dump.Bytes()) // a client that hangs up is not the server's fault
}

func usage(w http.ResponseWriter, _ *http.Request) {
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		refuseWith(w, http.StatusInternalServerError, api.CodeInternal, err)
		return
	}
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	answer(w, api.Usage{
		HeapBytes: mem.HeapAlloc, Goroutines: runtime.NumGoroutine(),
		Descriptors: len(descriptors) - 1, // without the one of the directory
	})
}
