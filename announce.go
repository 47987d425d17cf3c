package s3lect

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// Announcement is what a leader tells its peers: the record of its last confirmed renewal, with
// LastUpdated as it was written then and never the present time, so that a leader cut off from its
// storage does not look alive.
type Announcement struct {
	LeaderRecord

	// ETag is that version's, as the storage spells it; empty while the leader does not know it.
	ETag string `json:"etag,omitempty"`
	// RemainingMillis is for how long the leadership is still guaranteed without another renewal;
	// for information.
	RemainingMillis int64 `json:"remainingMillis"`
	// PollMillis is for how long the leader keeps an answer back at most, where it is asked for news;
	// a little more than its renewal interval. 0 where the long poll is not known.
	PollMillis int64 `json:"pollMillis,omitempty"`
	// HeldMillis is for how long this answer was kept back.
	HeldMillis int64 `json:"heldMillis,omitempty"`
	// Followers is how many were waiting for this renewal.
	Followers int `json:"followers"`
	// ActiveObservers is how many members the leader has heard from itself of late, itself included:
	// within half a lease, or within PollMillis and a twentieth of a lease where that is longer.
	ActiveObservers int `json:"activeObservers,omitempty"`
	// Observed says that the question was taken for a heartbeat of the observer that it names, and
	// ObserverError why it was not.
	Observed      bool   `json:"observed,omitempty"`
	ObserverError string `json:"observerError,omitempty"`
}

// Announcer is an optional capability of an [Elector], which [S3Elector] has:
// [NewLeadershipHandler] asks it for the version of the record that followers can go by, and for
// news. A wrapper that embeds the Elector interface loses the capability; its followers then read
// the storage, as they do without peer mode.
type Announcer interface {
	// Announce returns what the leader has to tell, and false on one that does not lead. With a
	// session it waits for something later than the write after of that session: until then, until
	// the leadership has ended and its resignation is confirmed or given up, until PollMillis have
	// passed, or until ctx ends. It is safe for concurrent use.
	Announce(ctx context.Context, session string, after int64) (Announcement, bool)
}

var _ Announcer = (*S3Elector)(nil)

// maxPolls bounds the questions that an elector keeps back at once; more are answered at once.
const maxPolls = 10_000

// news is what an elector tells its peers.
type news struct {
	standing lease.Standing
	record   lease.Record // of a leader: the last version that landed and whose ETag is known
	etag     string       // empty if none is known yet
	// followers is how many waited for this. Now they are all on their way.
	followers int
}

// podium is where an elector tells its peers what is new.
type podium struct {
	polls atomic.Int64 // questions that are kept back

	// The elector's lock guards these.
	news news
	more chan struct{} // closed when there are other news; nil while nobody waits for that
}

// Announce implements [Announcer].
func (e *S3Elector) Announce(ctx context.Context, session string, after int64) (Announcement, bool) {
	limit, asked := pollLimit(e.current()), e.env.Now()
	p, n, _ := e.announced()
	if session != "" && e.keepsBack(n, session, after) {
		n = e.awaitNews(ctx, p, limit, session, after)
	}
	if n.standing != lease.Leading {
		return Announcement{}, false
	}
	e.mu.Lock()
	attending, config := e.attending, e.config
	e.mu.Unlock()
	now, observers := e.env.Now(), 0
	if attending != nil {
		observers = attending.Active(now.Mono, vouchedAge(config.LeaderTimeout, limit), config.ServerID)
	}
	left := e.Remaining() // whether this process leads is asked last
	return Announcement{
		LeaderRecord:    *leaderRecord(&n.record, n.etag),
		ETag:            n.etag,
		RemainingMillis: left.Milliseconds(),
		PollMillis:      limit.Milliseconds(),
		HeldMillis:      (now.Mono - asked.Mono).Milliseconds(),
		Followers:       n.followers,
		ActiveObservers: observers,
	}, left > 0
}

// keepsBack reports whether the news are not worth an answer yet for a peer that knows the write after
// of that session.
func (e *S3Elector) keepsBack(n news, session string, after int64) bool {
	switch n.standing {
	case lease.Leaving:
		return true
	case lease.Leading:
		useless := n.record.Sequence <= after || n.etag == ""
		return n.record.Session == session && useless && e.IsLeader()
	}
	return false
}

// awaitNews returns what is new when it is worth an answer, or when the time is over.
func (e *S3Elector) awaitNews(ctx context.Context, p *podium, limit time.Duration, session string, after int64) news {
	polls := p.polls.Add(1)
	defer p.polls.Add(-1)
	expired := e.env.NewTimer()
	expired.Reset(limit)
	defer expired.Stop()
	for {
		_, n, more := e.announced()
		if polls > maxPolls || !e.keepsBack(n, session, after) {
			return n
		}
		select {
		case <-more:
			continue
		case <-expired.C():
		case <-ctx.Done():
		}
		_, n, _ = e.announced()
		return n
	}
}

// pollLimit is for how long a leader keeps an answer back: until its next renewal is confirmed, in
// all likelihood.
func pollLimit(config *ElectorConfig) time.Duration {
	d := config.FrequentInterval + config.FrequentInterval/20
	return d.Truncate(time.Millisecond) + time.Millisecond
}

// announced returns the latest news, and a channel that is closed when there are others. Only an
// elector that was asked before has a podium.
func (e *S3Elector) announced() (*podium, news, <-chan struct{}) {
	e.mu.Lock()
	p, r := e.podium, e.run
	e.mu.Unlock()
	if p == nil && r != nil {
		r.do(func(lease.Instant) { e.openPodium() })
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p = e.podium
	if p == nil {
		return nil, news{}, nil // it does not run
	}
	if p.more == nil {
		p.more = make(chan struct{})
	}
	return p, p.news, p.more
}

// openPodium has the loop publish news from now on.
func (e *S3Elector) openPodium() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.podium == nil {
		e.podium = &podium{}
	}
}

// publishNews tells the peers that wait what has become of the machine. It is called with e.mu held.
func (r *run) publishNews() {
	p := r.e.podium
	if p == nil {
		return // nobody has ever asked
	}
	standing, record, etag := r.machine.Standing()
	last := &p.news
	sameLeadership := last.standing == standing && last.record.Term == record.Term && last.record.Session == record.Session
	switch {
	case standing != lease.Leading && last.standing == standing:
		return
	case standing == lease.Leading && sameLeadership && (etag == "" || last.etag == etag && last.record.Nonce == record.Nonce):
		return // followers can do nothing with a version whose ETag is still unknown
	}
	p.news = news{standing, record, etag, int(p.polls.Load())}
	if p.more != nil {
		close(p.more)
		p.more = nil
	}
}
