package sockdiag

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// PeerUser is the user that opened the other end of a Unix socket's connection
// (SO_PEERCRED, unix(7)).
func PeerUser(conn syscall.Conn) (uid uint32, err error) {
	cred, err := peer(conn)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}

// PeerProcess is the process that opened the other end of a Unix socket's connection.
// For a client, that is the one that listens.
func PeerProcess(conn syscall.Conn) (pid int, err error) {
	cred, err := peer(conn)
	if err != nil {
		return 0, err
	}
	return int(cred.Pid), nil
}

func peer(conn syscall.Conn) (cred *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	if failed := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); failed != nil {
		return nil, failed
	}
	return cred, err
}
