package dnsmasq

import (
	"context"
	"syscall"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
)

// CatchUp looks after dnsmasq. Call it every few seconds; it is cheap if there is
// nothing to do.
//
// It tries again what failed: to write the files, to start dnsmasq, to have it
// read them. It writes files that others have changed. It asks dnsmasq for what
// it should know: one that answers otherwise reads its files again or is
// restarted, and one that does not answer is killed and replaced. It gives
// guests back addresses that dnsmasq has disabled. Status has the outcome.
func (s *Service) CatchUp(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.settings.Mode == content.Off:
		return
	case s.idle:
		if s.begin(ctx) == nil && !s.pub.stale {
			s.log.Info("dnsmasq serves all guests again", "guests", len(s.guests))
		}
		return
	}
	s.noticeChanges()
	if s.pub.unwritten {
		s.report(s.publish(ctx, change{}))
	}
	found, err := s.look(ctx)
	switch s.care.treat(found, time.Now(), s.reloadPatience()) {
	case replace:
		err = s.replaceHung(ctx, err)
	case restart:
		err = s.readAgain(ctx, true, err)
	case reload:
		err = s.readAgain(ctx, false, err)
	default:
		if declined := s.declines.take(); len(declined) > 0 {
			err = s.heal(ctx, declined)
		}
	}
	s.reportLook(found, err)
}

// noticeChanges has files written and read again that others have changed.
func (s *Service) noticeChanges() {
	if s.pub.unwritten {
		return
	}
	changed := s.files.Changed()
	if len(changed) == 0 {
		return
	}
	files.LogChanged(s.log, changed)
	s.count(func(st *Status) { st.Repairs++ })
	s.pub.stale, s.pub.unwritten = true, true
}

// readAgain has dnsmasq read all of its files, or be restarted to do so.
func (s *Service) readAgain(ctx context.Context, restart bool, why error) error {
	if why != nil {
		s.log.Error("making dnsmasq read its files again", "error", why, "by_restart", restart)
		s.count(func(st *Status) { st.Repairs++ })
	}
	s.pub.stale = true
	s.pub.outlived = s.pub.outlived || restart
	return s.publish(ctx, change{})
}

// replaceHung has another dnsmasq take the place of one that does not answer.
func (s *Service) replaceHung(ctx context.Context, why error) error {
	s.pub.deaf = true // no change waits long for this one
	t := s.runner.Peek()
	if t == nil || !t.Ours {
		return why
	}
	s.log.Error("dnsmasq does not answer; killing and restarting it", "pid", t.PID)
	s.count(func(st *Status) { st.Replaced++ })
	ctx, cancel := s.bound(ctx, startPatience+s.reloadPatience())
	defer cancel()
	if err := s.runner.Restart(ctx, syscall.SIGKILL); err != nil {
		return err
	}
	return s.bringUp(ctx, nil)
}

// reportLook keeps the outcome of a check for Status, if it differs from the one
// before. One check without an answer is not reported.
func (s *Service) reportLook(found finding, err error) {
	switch {
	case err == nil && (found == unreachable || s.pub.stale), found == mute && s.care.muted == 1:
		return // what was told last still holds, or the runner tells
	}
	s.state.Lock()
	before := s.st
	s.state.Unlock()
	switch {
	case err == nil && before.LastError == "" && before.Live, err != nil && before.LastError == err.Error():
		return
	case err == nil && before.LastError != "":
		s.log.Info("dnsmasq serves all guests again", "guests", len(s.guests))
	}
	s.report(err)
}

// count changes the counters of Status.
func (s *Service) count(change func(*Status)) {
	s.state.Lock()
	defer s.state.Unlock()
	change(&s.st)
}
