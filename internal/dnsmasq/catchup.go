package dnsmasq

import "context"

// CatchUp tries again what failed: to write the files, to start dnsmasq, to
// have it read them. So a disk that was full and a bridge that came late mend
// themselves, without waiting for the next change. It also gives guests back
// addresses that dnsmasq has disabled. It is cheap where there is
// nothing to do, and is to be called every few seconds. The outcome is in
// Status; only success is logged, as the failure has been.
func (s *Service) CatchUp(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	declined := s.declines.take()
	switch {
	case s.settings.Mode == Off:
		return
	case s.idle:
		err = s.begin(ctx)
	case s.pub.unwritten, s.pub.stale && s.answers(ctx):
		err = s.publish(ctx, change{})
		s.report(err)
	case len(declined) > 0:
		s.report(s.heal(ctx, declined))
		return
	default:
		return
	}
	if err == nil && !s.pub.stale {
		s.log.Info("dnsmasq knows all guests again", "guests", len(s.guests))
	}
}

// answers reports whether a dnsmasq runs that would notice a change.
func (s *Service) answers(ctx context.Context) bool {
	if s.runner.peek() == nil {
		return false
	}
	ctx, cancel := s.bound(ctx, deafPatience)
	defer cancel()
	_, err := s.settings.firstAnswer(ctx)
	return err == nil
}
