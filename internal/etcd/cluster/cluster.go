// Package cluster says what is known of an etcd cluster and its members, as plain
// values. It asks no cluster: package etcd does.
package cluster

import "time"

// Member is a member of the cluster as it answered last.
type Member struct {
	Endpoint string
	Err      error         // why it did not answer; the rest is empty then
	Latency  time.Duration // of the answer
	Version  string
	Leader   bool     // it knows a leader, so it can take part in changes
	Learner  bool     // it does not vote and does not serve clients
	Size     int64    // of its database, in bytes
	Alarms   []string // such as "memberID:1 alarm:NOSPACE"
}

// Usable reports whether requests may be sent to the member.
func (m Member) Usable() bool { return m.Err == nil && m.Leader && !m.Learner }

// Inspected is a member with what only a report needs.
type Inspected struct {
	Member
	Clock   time.Duration // its clock is ahead by this, give or take a second
	Expires time.Time     // end of its certificate; zero without TLS
}

// Inspection is what is known about a cluster for a report.
type Inspection struct {
	Members []Inspected
	Own     time.Time // end of the client certificate; zero without one
	Kinds   []string  // first parts of the keys below the prefix
	Access  error     // why those cannot be read
}
