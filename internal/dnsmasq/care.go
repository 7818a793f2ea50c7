package dnsmasq

import "time"

// finding is what one look at dnsmasq comes to.
type finding int

const (
	unreachable finding = iota // no answer is possible: dnsmasq does not run, or the network has no address
	healthy                    // it answers as it should
	lagging                    // it answers, but has not read its files yet
	differs                    // it answers otherwise than its files say
	outdated                   // it runs with another configuration
	mute                       // it runs, and does not answer
)

// remedy is what is done about a finding.
type remedy int

const (
	nothing remedy = iota
	reload         // have it read its files
	restart        // have another one take its place
	replace        // the same for one that takes no signal but SIGKILL
)

const (
	// muteLooks is how many looks without an answer mean that dnsmasq hangs. It
	// doubles with each one that was killed for it, up to muteLooks<<mostDoubled.
	muteLooks   = 3
	mostDoubled = 5
	// longestRest is the most looks between two remedies that do not help.
	longestRest = 16
)

// care decides what is done about the findings of looks that follow each other.
type care struct {
	muted  int       // looks without an answer, in a row
	since  time.Time // the first of them
	killed int       // since it last answered
	wrong  int       // looks with a wrong answer, in a row
}

// treat decides. While dnsmasq reads its files it answers no requests; patience is
// how long that may take.
func (c *care) treat(f finding, now time.Time, patience time.Duration) remedy {
	switch f {
	case healthy:
		*c = care{}
	case unreachable:
		c.muted = 0
	case mute:
		return c.treatMute(now, patience)
	case lagging, differs, outdated:
		c.muted, c.killed = 0, 0
		c.wrong++
		return treatWrong(f, c.wrong)
	}
	return nothing
}

func (c *care) treatMute(now time.Time, patience time.Duration) remedy {
	if c.muted == 0 {
		c.since = now
	}
	c.muted++
	if c.muted < muteLooks<<min(c.killed, mostDoubled) || now.Sub(c.since) < patience {
		return nothing
	}
	c.muted = 0
	c.killed++
	return replace
}

// treatWrong tries a reload and then a restart. An answer that neither changes is
// only told, for the administrator. What keeps dnsmasq from reading its files may
// end by itself, so that is tried again, ever more seldom.
func treatWrong(f finding, times int) remedy {
	again := times&(times-1) == 0 || times%longestRest == 0
	switch {
	case times == 2, f == outdated && again:
		return restart
	case times == 1, f == lagging && again:
		return reload
	}
	return nothing
}
