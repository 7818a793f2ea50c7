package boots

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/pace"
	"mdserver/internal/visible"
)

const (
	sshPort       = 22
	sshPeriod     = time.Second     // between two attempts at a guest
	sshTime       = 3 * time.Second // of one attempt
	sshAtOnce     = 32              // guests
	longestBanner = 255             // bytes, by RFC 4253, section 4.2
)

// trySSH tries the ssh ports of guests until ctx ends, and notes those that answer.
// The function that it returns waits for the end.
func (h *History) trySSH(ctx context.Context, guests []*instance.Instance) (wait func()) {
	ctx, cancel := context.WithCancel(ctx)
	var trying sync.WaitGroup
	slots := make(chan struct{}, sshAtOnce)
	for _, guest := range guests {
		if guest == nil || h.answersSSH(guest) {
			continue
		}
		addrs := guest.Addrs()
		trying.Go(func() {
			for ctx.Err() == nil {
				slots <- struct{}{}
				banner, err := h.banner(ctx, addrs)
				<-slots
				if err == nil {
					h.Record.Note(guest.UUID, api.BootEntry{Kind: api.EntrySSH, Source: api.FromServer, Detail: banner})
					return
				}
				pace.Sleep(ctx, sshPeriod)
			}
		})
	}
	return func() {
		cancel()
		trying.Wait()
	}
}

// answersSSH reports whether the guest's ssh port has answered in its present boot.
func (h *History) answersSSH(guest *instance.Instance) bool {
	b, ok := h.Record.Present(guest.UUID)
	return ok && b.Ended == nil && b.Reached.SSH != nil
}

// anyBanner is the sshBanner of the first address that has one.
func anyBanner(ctx context.Context, addrs []netip.Addr, port uint16) (banner string, err error) {
	err = errNoAddress
	for _, addr := range addrs {
		if banner, err = sshBanner(ctx, netip.AddrPortFrom(addr, port)); err == nil {
			break
		}
	}
	return banner, err
}

var errNoAddress = errors.New("the guest has no address")

// sshBanner connects to an ssh server and returns its first line (RFC 4253, section
// 4.2), safe to print.
func sshBanner(ctx context.Context, addr netip.AddrPort) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sshTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	line, _, err := bufio.NewReaderSize(conn, longestBanner+1).ReadLine()
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(string(line), "SSH-") {
		return "", fmt.Errorf("port %d of %s is no ssh server's", addr.Port(), addr.Addr())
	}
	return visible.Limit(string(line), longestBanner), nil
}
