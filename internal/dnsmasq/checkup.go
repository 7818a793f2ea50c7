package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/probe"
	"mdserver/internal/dnsmasq/process"
	"mdserver/internal/nameserver"
)

const (
	// lookPatience bounds the wait for a sign of life at one look.
	lookPatience = 500 * time.Millisecond
	// sampleSize is how many small files and how many guests one look asks for.
	sampleSize = 8
)

var (
	errMute     = errors.New("dnsmasq does not answer")
	errOutdated = errors.New("dnsmasq runs with another configuration")
)

// look asks dnsmasq, where guests ask it, for the markers of its files and for
// the names of some guests, and tells what is wrong.
func (s *Service) look(ctx context.Context) (finding, error) {
	t := s.runner.Peek()
	if t == nil {
		return unreachable, nil
	}
	s.follow(t)
	ctx, cancel := s.bound(ctx, lookPatience)
	defer cancel()
	texts, err := s.dns().FirstAnswer(ctx)
	switch {
	case err == nil:
	case errors.Is(err, probe.ErrNoAddress), errors.Is(err, syscall.ECONNREFUSED) && !s.pub.heard:
		return unreachable, err
	default:
		return mute, s.unanswered(t)
	}
	s.heardFrom(t, texts)
	switch {
	case s.pub.unwritten:
		return unreachable, nil // there is nothing to compare with
	case s.pub.stale:
		return lagging, nil
	}
	if t.Ours && !slices.Contains(texts, s.pub.config) {
		return outdated, errOutdated
	}
	wrong, err := s.examine(ctx)
	switch {
	case err != nil:
		return mute, s.unanswered(t)
	case len(wrong) > 0:
		return differs, fmt.Errorf("dnsmasq's answers differ from its files: %s", strings.Join(wrong, ", "))
	}
	s.pub.revision = s.newestMarker().Revision()
	return healthy, nil
}

// heardFrom notes that dnsmasq has answered, and with what configuration.
func (s *Service) heardFrom(t *process.Running, texts []string) {
	s.pub.deaf = false
	if !s.pub.heard {
		s.pub.heard, s.pub.modern = true, t.Ours || slices.Contains(texts, s.pub.config)
	}
}

func (s *Service) unanswered(t *process.Running) error {
	if t.Ours {
		return errMute
	}
	return fmt.Errorf("%w; mdserver does not run it: `systemctl restart mdserver-dnsmasq.service`, or end process %d",
		errMute, t.PID)
}

func (s *Service) newestMarker() content.Marker {
	if n := len(s.pub.small); n > 0 {
		return s.pub.small[n-1]
	}
	return s.pub.compact
}

// examine asks for the marker of the compact files and for a sample of the rest,
// and returns what is not as it should be. Guests that were found wrong before
// are in each sample until they are right.
func (s *Service) examine(ctx context.Context) ([]string, error) {
	p, err := s.dns().Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	var markers []content.Marker
	if !s.pub.folded {
		markers = append(markers, s.pub.compact)
	}
	if s.pub.modern {
		for range min(sampleSize, len(s.pub.small)) {
			markers = append(markers, s.pub.small[rand.IntN(len(s.pub.small))])
		}
	}
	var wrong []string
	for _, m := range markers {
		ok, err := p.Has(ctx, m.Name, m.Address)
		if err != nil {
			return nil, err
		}
		if !ok {
			wrong = append(wrong, m.Name)
		}
	}
	guests, err := s.wrongGuests(ctx, p, s.sample())
	return append(wrong, guests...), err
}

// sample picks guests at random, as Go's order of a map is, and those under
// suspicion.
func (s *Service) sample() []uuid.UUID {
	var picked []uuid.UUID
	for id := range s.guests {
		if picked = append(picked, id); len(picked) == sampleSize {
			break
		}
	}
	for id := range s.suspects {
		if _, there := s.guests[id]; !there {
			delete(s.suspects, id)
		} else if !slices.Contains(picked, id) {
			picked = append(picked, id)
		}
	}
	return picked
}

// wrongGuests asks for the first name of each guest, and returns those that lack
// an address.
func (s *Service) wrongGuests(ctx context.Context, p *nameserver.Client, ids []uuid.UUID) ([]string, error) {
	var wrong []string
	for _, id := range ids {
		unknown, err := probe.UnknownName(ctx, p, s.guests[id])
		if err != nil {
			return nil, err
		}
		if delete(s.suspects, id); unknown == "" {
			continue
		}
		wrong = append(wrong, unknown)
		if len(s.suspects) < sampleSize {
			s.suspects[id] = true
		}
	}
	return wrong, nil
}
