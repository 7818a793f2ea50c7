package admission

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lingerTime is how long the last bytes of a pinned connection may take, and
	// stallTime how long none of them may be confirmed.
	lingerTime, stallTime = 30 * time.Second, 3 * time.Second
	// lookTime is the pause between two looks at what is still to be sent.
	lookTime = 20 * time.Millisecond
)

// linger ends a pinned connection once the other side has received everything.
// Until then it stays pinned, so that no other machine gets the remaining bytes,
// and it counts against its guest's limit.
func (c *conn) linger(left int) {
	_ = c.TCPConn.CloseWrite()
	now := time.Now()
	r := rest{left: left, end: now.Add(lingerTime), stalled: now.Add(stallTime)}
	for r.left > 0 {
		select {
		case <-time.After(lookTime):
		case <-c.admission.stopping:
			r.end = time.Time{}
		}
		if r.hopeless(time.Now(), unconfirmed(c.TCPConn)) {
			reset(c.TCPConn)
			break
		}
	}
	_ = c.TCPConn.Close() // it may be closed already
	c.admission.leave(c)
	c.unpin()
}

// rest is what the other side has yet to confirm, and until when it may do so.
type rest struct {
	left         int
	end, stalled time.Time
}

// hopeless takes how much is left now, and reports whether to give up.
func (r *rest) hopeless(now time.Time, left int) bool {
	if left < r.left {
		r.stalled = now.Add(stallTime)
	}
	r.left = left
	return now.After(r.end) || now.After(r.stalled)
}

// unconfirmed is how many bytes of what was written the other side has yet to
// confirm. Source: SIOCOUTQ, tcp(7).
func unconfirmed(tcp *net.TCPConn) (left int) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	err = raw.Control(func(fd uintptr) {
		if n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			left = n
		}
	})
	if err != nil {
		return 0 // it was closed
	}
	return left
}

// Close ends the connections that are closed except for bytes that were not sent
// yet.
func (d *Admission) Close() {
	close(d.stopping)
	d.lingering.Wait()
}
