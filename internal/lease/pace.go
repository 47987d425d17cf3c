package lease

import "time"

// trusted is the part of a lease during which its holder trusts it. With clocks within 5 % of true
// time the holder's nine tenths end before a follower's whole: 0.9/0.95 < 1/1.05.
func trusted(lease time.Duration) time.Duration { return lease / 10 * 9 }

// lease is the one that sets the pace. A leader whose lease was changed may still live on the trust
// of a shorter one.
func (m *Machine) lease() time.Duration {
	if m.phase == leading {
		return min(m.own.lease, m.cfg.Lease)
	}
	return m.cfg.Lease
}

// attemptTimeout bounds one call, so that a request that hangs cannot eat the trust.
func (m *Machine) attemptTimeout() time.Duration { return m.lease() / 5 }

// fraction returns a random number in [0, 1).
func (m *Machine) fraction() float64 { return float64(m.random()>>11) / (1 << 53) }

// upTo returns a random duration in [0, d).
func (m *Machine) upTo(d time.Duration) time.Duration {
	return time.Duration(m.fraction() * float64(d))
}

// renewInterval lengthens a leader's period by up to 2 %, so that leaders do not march in step.
func (m *Machine) renewInterval() time.Duration {
	return m.cfg.Frequent + m.upTo(m.cfg.Frequent/50)
}

// readInterval is a follower's period, shortened by 1 to 4 %. It stays below its own lease, so that
// a named successor has read before the others may claim.
func (m *Machine) readInterval(now Instant) time.Duration {
	d := m.cfg.Frequent
	switch settled := m.settled(now); {
	case settled && m.heard():
		return m.peerReadInterval()
	case settled:
		d = m.cfg.Infrequent
	}
	d = min(d, m.cfg.Lease)
	return d - d/100 - m.upTo(d*3/100)
}

// peerReadInterval is the period of a follower whom the leader tells of each renewal: three leases,
// shortened by up to 2 %.
func (m *Machine) peerReadInterval() time.Duration {
	d := 3 * m.cfg.Lease
	return d - m.upTo(d/50)
}

// retry is the pause after the n-th failure in a row: short once, then longer. For leases of 10 s
// and more it is 100 ms, then 1 s. A throttled call skips the short one. The jitter of a quarter
// keeps a crowd of candidates apart.
func (m *Machine) retry(n int, kind AnswerKind) time.Duration {
	d := min(time.Second, m.lease()/10)
	if n <= 1 && kind != Throttled {
		d /= 10
	}
	return d + m.upTo(d/4)
}

// pace is retry for those who hold nothing: after a few failures there is no hurry.
func (m *Machine) pace(n int, kind AnswerKind) time.Duration {
	if n > 3 {
		return m.cfg.Frequent + m.upTo(m.cfg.Frequent/4)
	}
	return m.retry(n, kind)
}

// holdPace is the pause of whoever's record stands: only a leader has trust to lose.
func (m *Machine) holdPace(kind AnswerKind) time.Duration {
	if m.phase == confirming {
		return m.pace(m.own.fails, kind)
	}
	return m.retry(m.own.fails, kind)
}

// measure keeps a smoothed round trip of the calls that were answered.
func (m *Machine) measure(d time.Duration, kind AnswerKind) {
	switch {
	case kind == Failed || kind == Throttled:
	case m.rtt == 0:
		m.rtt = d
	default:
		m.rtt += (d - m.rtt) / 8
	}
}

// claimSpread is the width of the random wait before a claim: a few round trips, so that of a
// crowd most see the winner's record before they would claim. A crowd that the leader has told of
// spreads wider: the first of it is hardly later for that.
func (m *Machine) claimSpread() time.Duration {
	trips := max(4, m.Crowd()/8)
	return min(max(time.Duration(trips)*m.RoundTrip(), time.Millisecond), m.cfg.Lease/10)
}

// RoundTrip is how long a storage call takes, as far as is known.
func (m *Machine) RoundTrip() time.Duration {
	if m.rtt == 0 {
		return 25 * time.Millisecond
	}
	return m.rtt
}
