package s3lect

import (
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// logMuster logs what has changed: too few members under a leader, and trouble with the roster.
func (r *run) logMuster(now lease.Instant) {
	m := r.muster
	if m == nil {
		return
	}
	text := ""
	if m.err != nil && m.fails != 1 { // once can happen: the next heartbeat is soon
		text = m.err.Error()
	}
	switch m.trouble.turn(now, text, troubleOf(m.err)) {
	case begun:
		r.log().Warn("cannot count heartbeats on the storage", "error", m.err)
	case over:
		r.log().Info("heartbeats on the storage work again")
	}
	until, short := r.machine.Short(now)
	if short == m.short {
		return
	}
	m.short = short
	switch active := r.activeObservers(now); {
	case short:
		r.log().Warn("too few members are active: stepping down unless more are heard from", "active", active, "quorum", r.config.QuorumSize, "in", (until - now.Mono).Round(time.Millisecond))
	case r.e.IsLeader():
		r.log().Info("enough members are active again", "active", active, "quorum", r.config.QuorumSize)
	}
}

func (r *run) activeObservers(now lease.Instant) int {
	a, leaseTime := r.muster.keeper.attendance, r.muster.keeper.lease
	active := a.Active(now.Mono, leaseTime, r.muster.id)
	if r.machine.Asks() { // else there is no leader that could know better, and the last one counted itself
		active = max(active, a.Vouched(now.Mono, leaseTime))
	}
	return active
}

// tooFew is what the status says of a candidate that keeps back for want of members; nil while it has
// hardly looked, and cannot know of others yet.
func (r *run) tooFew(now lease.Instant) error {
	if r.muster == nil || r.muster.rounds < 2 && r.muster.err == nil && r.e.status.EndReason != EndQuorumLost {
		return nil
	}
	active, needed := r.activeObservers(now), r.config.QuorumSize
	err := fmt.Errorf("%w: %d members are active, as are needed, and have to be so for a lease", ErrQuorumLost, max(active, needed))
	if !r.machine.Quorate(now) {
		// What the last leader has told counts that leader, too.
		err = fmt.Errorf("%w: %d of the %d members needed are active, this one included", ErrQuorumLost, min(active, needed-1), needed)
	}
	if r.muster.err != nil {
		err = fmt.Errorf("%w; %w", err, r.muster.err)
	}
	return err
}

// published returns whom this process has heard from, for the record that it writes.
func (e *S3Elector) published(leaseTime time.Duration) []lease.Observer {
	e.mu.Lock()
	a, observes := e.attending, e.config.observes()
	e.mu.Unlock()
	if a == nil {
		return nil
	}
	return a.Published(e.env.Now().Mono, publishedLeases*leaseTime, !observes)
}

// publishedLeases is for how many leases somebody who was not heard from stays in the leader's list.
const publishedLeases = 10
