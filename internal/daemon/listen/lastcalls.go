package listen

import (
	"log/slog"
	"net"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// queueTime is how long connections that the kernel has made may wait to be
// accepted.
const queueTime = 50 * time.Millisecond

// LastCalls makes the kernel drop requests for new connections of guests, and waits
// until those that it has made already are accepted: a socket that is closed resets
// them. Clients repeat a request after a second (RFC 6298), and find the next
// server then.
func (s Sockets) LastCalls(log *slog.Logger) {
	for _, l := range s.Metadata {
		if scoped, ok := l.(*scopedListener); ok {
			l = scoped.socket()
		}
		if tcp, ok := l.(*net.TCPListener); ok && tcp != nil {
			if err := dropSYN(tcp); err != nil {
				log.Debug("stopping may reset connections", "error", err)
			}
		}
	}
	time.Sleep(queueTime)
}

// flags is where a TCP header has its flags (RFC 9293, section 3.1).
const (
	flags    = 13
	syn, ack = 0x02, 0x10
)

// dropSYN attaches a filter to a socket that listens. See socket(7),
// SO_ATTACH_FILTER; the filter of a TCP socket sees the TCP header first.
func dropSYN(l *net.TCPListener) error {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: flags, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: syn | ack},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: syn, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1 << 16}, // more than the longest packet
	})
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
