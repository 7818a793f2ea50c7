package watch

import (
	"errors"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/libvirt/connection"
)

// Status is the state of the connection to libvirt.
type Status = api.LibvirtSync

// Status returns how the watcher stands with libvirt.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Watcher) connected(socket string, domains int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = Status{Connected: true, Since: time.Now(), Socket: socket, Domains: domains, Events: w.status.Events}
	w.log.Info("following libvirt's domains", "socket", socket, "domains", domains)
}

// interrupted notes a failure. Only the first of a row is worth a line: a host
// may have no libvirt at all.
func (w *Watcher) interrupted(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	level := w.log.Debug
	if w.status.Error == "" { // it was connected, or has begun
		level = w.log.Warn
		w.status.Since = time.Now()
	}
	w.status.Connected, w.status.Error = false, err.Error()
	var silent *connection.OpenError
	if errors.As(err, &silent) {
		w.status.Socket = silent.Socket
	}
	level("no connection to libvirt, trying again; known guests are served", "error", err)
}

func (w *Watcher) counted(events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Events += uint64(events)
}
