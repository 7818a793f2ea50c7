// Package launcher starts programs as another user than the server's, without
// giving the server the right to change users, which would make it as good as
// root.
//
// systemd runs the launcher as dnsmasq's user. The server connects to its
// socket, once for each process: it sends the command line with a file for the
// process's output, and later signals; the launcher sends the process's number
// and, at the end, its exit status. When the connection ends, so does the
// process. Each message is one packet that holds a JSON object.
package launcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// network keeps the bounds of messages.
const network = "unixpacket"

// longest bounds a message. A command line of dnsmasq's is a tenth of it.
const longest = 32 << 10

// request is a message to the launcher. The first one names a command to
// start, or a process to signal; later ones signal what was started.
type request struct {
	Command []string `json:"command,omitempty"`
	PID     int      `json:"pid,omitempty"`
	Signal  int      `json:"signal,omitempty"`
}

// reply is a message of the launcher. An error ends the connection.
type reply struct {
	PID    int    `json:"pid,omitempty"`
	Exited string `json:"exited,omitempty"` // as os.ProcessState tells it
	Error  string `json:"error,omitempty"`
}

func send(conn *net.UnixConn, message any, file *os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > longest {
		return fmt.Errorf("a message of %d bytes is too long", len(text))
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	_, _, err = conn.WriteMsgUnix(text, rights, nil)
	return err
}

// receive reads one message and the file that may come with it.
func receive(conn *net.UnixConn, message any) (*os.File, error) {
	text, rights := make([]byte, longest), make([]byte, unix.CmsgSpace(4))
	n, rn, flags, _, err := conn.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	file, err := fileIn(rights[:rn])
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		err = errors.New("the connection has ended")
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		err = errors.New("a message is too long")
	default:
		err = json.Unmarshal(text[:n], message)
	}
	if err != nil && file != nil {
		_ = file.Close()
		file = nil
	}
	return file, err
}

// receiveWithin is like receive, with a time limit for this message only.
func receiveWithin(conn *net.UnixConn, limit time.Duration, message any) (*os.File, error) {
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	return receive(conn, message)
}

func fileIn(rights []byte) (*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil || len(fds) == 0 {
			continue
		}
		syscall.CloseOnExec(fds[0])
		return os.NewFile(uintptr(fds[0]), "output"), nil
	}
	return nil, nil
}
