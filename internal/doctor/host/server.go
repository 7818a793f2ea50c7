package host

import (
	"context"
	"net/http"
	"slices"
	"syscall"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/smbios"
	"mdserver/internal/timeline"
)

// Server is what the server reports of itself, and the rights of its processes.
type Server struct {
	Err       error // why it does not answer
	SocketErr error // why no process answers on its control socket
	Status    api.Status

	Refusals    []api.Refusal
	RefusalsErr error

	Process    Credentials
	ProcessErr error
	Dnsmasq    map[string]Credentials // of its dnsmasq processes, by network
}

// Running reports whether the server answers on its control socket.
func (s Server) Running() bool { return s.Err == nil }

// answerTime bounds the request that finds a hanging server.
const answerTime = 5 * time.Second

func readServer(ctx context.Context, client Client, socket string) Server {
	var s Server
	s.Status, s.Err = statusOf(ctx, client)
	if !s.Running() {
		s.SocketErr = connect(socket)
		return s
	}
	s.Refusals, s.RefusalsErr = client.Refusals(ctx)
	s.Process, s.ProcessErr = credentialsOf(s.Status.PID)
	s.Dnsmasq = map[string]Credentials{}
	for _, n := range s.Status.Networks {
		if n.Dnsmasq == nil || n.Dnsmasq.PID == 0 {
			continue
		}
		if c, err := credentialsOf(n.Dnsmasq.PID); err == nil { // it may have ended meanwhile
			s.Dnsmasq[n.Name] = c
		}
	}
	return s
}

func statusOf(ctx context.Context, client Client) (api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return client.Status(ctx)
}

// connect returns why no process answers on a Unix socket.
func connect(path string) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
}

// noteFetched notes whether domains have read their metadata or their user-data
// since the server started. It asks the server only if a check needs the answer.
func noteFetched(ctx context.Context, client Client, s Server, domains []Domain) {
	if !s.Running() {
		return
	}
	for i := range domains {
		if d := &domains[i]; d.doubtful() {
			doc, err := client.Explain(ctx, d.UUID)
			d.Fetched = err == nil && hasFetched(doc.Requests)
		}
	}
}

// doubtful reports whether an image may not come up with the domain's hardware.
func (d Domain) doubtful() bool {
	datasource, _ := d.Datasource()
	var cards []instance.Interface
	for _, nic := range d.Interfaces {
		cards = append(cards, instance.Interface{Model: nic.Model.Type})
	}
	return datasource == smbios.None || len(instance.DevicesWithoutDriver(cards, d.Disks)) > 0
}

func hasFetched(requests api.Requests) bool {
	read := slices.Concat(timeline.Metadata(), timeline.Userdata())
	return slices.ContainsFunc(requests.Kinds, func(k api.RequestKind) bool { return k.Status == http.StatusOK && slices.Contains(read, k.Name) })
}
