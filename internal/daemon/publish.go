package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// catchUpPeriod is how often dnsmasq is looked after, and how long what failed
// rests before it is tried again.
const catchUpPeriod = 2 * time.Second

// publisher carries changes of the inventory to what serves DHCP and DNS, in
// their order, and lets others wait until a change is live.
type publisher struct {
	inventory *inventory.Inventory
	serving   *serving
	log       *slog.Logger
	feed      *inventory.Subscription
	following sync.WaitGroup
	stop      context.CancelFunc // ends those who follow

	// applying is held while DHCP and DNS are being told something.
	applying sync.Mutex

	// What has been applied, and the error of the last batch. moved is closed
	// and made anew whenever they change.
	mu       sync.Mutex
	revision uint64
	err      error
	moved    chan struct{}
}

func newPublisher(inv *inventory.Inventory, serving *serving, log *slog.Logger) *publisher {
	return &publisher{
		inventory: inv, serving: serving, log: log,
		feed:  inv.Subscribe(),
		moved: make(chan struct{}),
		stop:  func() {},
	}
}

// start hands DHCP and DNS the whole inventory and begins to follow it, until ctx
// ends or close is called.
func (p *publisher) start(ctx context.Context) error {
	err := p.serving.start(ctx, all(p.feed.Start()))
	p.move(p.feed.Start().Revision(), nil)
	ctx, p.stop = context.WithCancel(ctx)
	p.following.Go(func() { p.follow(ctx) })
	p.following.Go(func() { p.catchUp(ctx) })
	return err
}

func all(snapshot *inventory.Snapshot) []instance.Instance {
	list := make([]instance.Instance, 0, snapshot.Len())
	for inst := range snapshot.All() {
		list = append(list, *inst)
	}
	return list
}

func (p *publisher) follow(ctx context.Context) {
	for {
		events, err := p.feed.Next(ctx)
		if err != nil { // the end of ctx, the feed or the inventory
			return
		}
		err = p.apply(ctx, events)
		if err != nil && ctx.Err() == nil {
			p.log.Error("DHCP and DNS do not serve a change", "error", err)
		}
		p.move(p.feed.Revision(), err)
	}
}

// catchUp mends by and by what could not be made known at once.
func (p *publisher) catchUp(ctx context.Context) {
	every(ctx, catchUpPeriod, func() {
		p.applying.Lock()
		defer p.applying.Unlock()
		p.serving.catchUp(ctx)
	})
}

func (p *publisher) apply(ctx context.Context, events []instance.Event) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	return p.serving.apply(ctx, events)
}

// rewrite goes over to another configuration, with the whole inventory. Changes
// that are on their way arrive twice then, which does no harm.
func (p *publisher) rewrite(ctx context.Context, cfg *config.Config) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	return p.serving.reconfigure(ctx, cfg, all(p.inventory.Snapshot()))
}

func (p *publisher) move(revision uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revision, p.err = revision, err
	close(p.moved)
	p.moved = make(chan struct{})
}

// sync returns when all that the inventory holds at the time of the call is
// live in DHCP and DNS, or with the reason why it is not.
func (p *publisher) sync(ctx context.Context) error {
	wanted := p.inventory.Snapshot().Revision()
	for {
		p.mu.Lock()
		reached, err, moved := p.revision >= wanted, p.err, p.moved
		p.mu.Unlock()
		if reached {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *publisher) close() {
	p.feed.Close()
	p.stop()
	p.following.Wait()
}
