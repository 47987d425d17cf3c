package s3lect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// change is one status in the order in which they came about. Each links to the next, so that
// every watcher reads on at its own pace, the elector never waits for one, and what all have read
// is garbage.
type change struct {
	status LeadershipStatus
	more   chan struct{} // closed when next is set
	next   *change
}

// Watch returns the present status and then every change, in order, until ctx ends: of who leads,
// whether that is this process, the term, and what kind of thing is wrong. Times, counts and the
// words of an error alone are no change. A slow
// watcher misses nothing and holds nobody up; what it has not read yet is kept for it.
func (e *S3Elector) Watch(ctx context.Context) iter.Seq[LeadershipStatus] {
	return func(yield func(LeadershipStatus) bool) {
		e.mu.Lock()
		at := e.feed
		e.mu.Unlock()
		for ctx.Err() == nil && yield(at.status) {
			select {
			case <-at.more:
				at = at.next
			case <-ctx.Done():
			}
		}
	}
}

// WaitForLeadership returns nil once this process leads, and never to one that does not. The error
// is ErrNotStarted on an elector that is not running or stops meanwhile, or that of ctx.
func (e *S3Elector) WaitForLeadership(ctx context.Context) error {
	for {
		e.mu.Lock()
		at, r := e.feed, e.run
		e.mu.Unlock()
		if r == nil {
			return ErrNotStarted
		}
		if e.IsLeader() {
			return nil
		}
		var again <-chan time.Time
		if at.status.IsLeader {
			// The trust has run out and the elector has not said so yet. Should a renewal be
			// confirmed in that very instant, nothing will have changed, and nobody will say so.
			again = time.After(10 * time.Millisecond)
		}
		select {
		case <-again:
		case <-at.more:
		case <-r.ending:
			return ErrNotStarted
		case <-ctx.Done():
			return fmt.Errorf("wait for leadership: %w", ctx.Err())
		}
	}
}

// WaitForNextElection returns the status after the first check, a read, a question to the leader or
// a claim, whatever its result, that completed after since by this machine's wall clock; with the
// zero time after the first ever. The error is ErrNotStarted on an elector that is not running or
// stops meanwhile, or that of ctx.
func (e *S3Elector) WaitForNextElection(ctx context.Context, since time.Time) (*LeadershipStatus, error) {
	for {
		e.mu.Lock()
		if e.checked == nil {
			e.checked = make(chan struct{})
		}
		last, checked, r := e.status.LastElectionTime, e.checked, e.run
		e.mu.Unlock()
		if r == nil {
			return nil, ErrNotStarted
		}
		if last.After(since) {
			return e.GetLeadershipStatus(), nil
		}
		select {
		case <-checked:
		case <-r.ending:
			return nil, ErrNotStarted
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the next election: %w", ctx.Err())
		}
	}
}

// publish makes the machine's verdict visible to IsLeader and in the status, both in one step, and
// tells watchers and waiters. It returns what the status was and is.
func (r *run) publish(now lease.Instant, events []lease.Event) (was, is LeadershipStatus) {
	e := r.e
	e.mu.Lock()
	defer e.mu.Unlock()
	r.publishTrust()
	r.publishNews()
	was = e.status
	if len(events) == 0 {
		return was, was
	}
	e.status = r.status(now, was)
	checked := false
	for _, event := range events {
		switch event.Kind {
		case lease.Checked, lease.Asked:
			checked = true
		case lease.Began:
			e.status.EndReason, e.status.EndedTerm = 0, 0
		case lease.Ended:
			e.status.EndReason, e.status.EndedTerm = endReason(event.Reason), event.Term
		}
	}
	if checked {
		e.status.LastElectionTime = now.Time()
		if e.checked != nil {
			close(e.checked)
			e.checked = nil
		}
	}
	e.tellWatchers()
	return was, e.status
}

// introduce puts the candidate that the configuration names into the status. Of another key than
// before nothing is known yet. It is called with e.mu held, while nothing contests.
func (e *S3Elector) introduce(config *ElectorConfig) {
	if e.status.LockfilePath != config.LockfilePath {
		e.status = LeadershipStatus{}
		e.attending, e.machine = nil, nil
	}
	e.status.ServerID, e.status.LockfilePath = config.ServerID, config.LockfilePath
	e.tellWatchers()
}

// tellWatchers is called with e.mu held.
func (e *S3Elector) tellWatchers() {
	if !differs(e.status, e.feed.status) {
		return
	}
	next := &change{status: e.status, more: make(chan struct{})}
	e.feed.next = next
	close(e.feed.more)
	e.feed = next
}

// publishTrust makes the machine's verdict visible to IsLeader.
func (r *run) publishTrust() {
	term, until, leading := r.machine.Trust()
	last := r.e.trust.Load()
	switch {
	case !leading:
		if last != nil {
			r.e.trust.Store(nil)
		}
	case last == nil || last.term != term || last.until != until:
		r.e.trust.Store(&trust{term: term, until: until})
	}
}

// status is what is known now.
func (r *run) status(now lease.Instant, was LeadershipStatus) LeadershipStatus {
	s := LeadershipStatus{
		ServerID:         r.config.ServerID,
		LockfilePath:     r.config.LockfilePath,
		Term:             r.machine.HighestTerm(),
		LastElectionTime: was.LastElectionTime,
		LeaderLastSeen:   was.LeaderLastSeen,
		EndReason:        was.EndReason,
		EndedTerm:        was.EndedTerm,
	}
	if r.muster != nil {
		s.ActiveObservers, s.QuorumSize = r.activeObservers(now), r.config.QuorumSize
	}
	record, since, seen := r.machine.Seen()
	if seen {
		s.Term = record.Term
	}
	term, until, leading := r.machine.Trust()
	switch {
	case leading:
		s.IsLeader = now.Before(until)
		s.Term = term
		s.LeaderID, s.LeaderAddr = r.config.ServerID, r.config.ServerAddr
		s.LeaderLastSeen = r.machine.Renewed().Time()
	case seen && !record.Resigned() && !r.machine.Lapsed() && record.Session != r.machine.Session():
		s.LeaderID, s.LeaderAddr = record.LeaderID, record.LeaderAddr
		s.LeaderLastSeen = since.Time()
	}
	if r.config.PeerMode {
		word, err := r.machine.Heard()
		if word != (lease.Instant{}) {
			s.PeerLastSeen = word.Time()
		}
		if err != nil && !errors.Is(err, lease.ErrNotLeading) {
			s.PeerError = err.Error()
		}
	}
	fails, err := r.machine.Troubles()
	s.ConsecutiveFails = fails
	if errors.Is(err, lease.ErrDuplicate) {
		err = fmt.Errorf("%w: %q leads at %s in another session: give every candidate an ID of its own", ErrDuplicateServerID, s.ServerID, record.LeaderAddr)
	}
	if errors.Is(err, lease.ErrTooFew) {
		err = r.tooFew(now)
	}
	if err != nil {
		s.Err, s.LastError = err, err.Error()
	}
	return s
}

// differs reports whether two statuses differ in more than times, counts, and the words of an error:
// those of a storage can carry a request's number, and differ each time.
func differs(a, b LeadershipStatus) bool {
	if troubleOf(a.Err) != troubleOf(b.Err) { //nolint:errorlint // both are sentinels of one list
		return true
	}
	a.LeaderLastSeen, a.LastElectionTime, a.ConsecutiveFails = b.LeaderLastSeen, b.LastElectionTime, b.ConsecutiveFails
	a.PeerLastSeen, a.PeerError = b.PeerLastSeen, b.PeerError
	a.ActiveObservers = b.ActiveObservers
	a.LastError, a.Err = b.LastError, nil
	b.Err = nil // errors cannot always be compared
	return a != b
}

var errOther = errors.New("another trouble")

// troubleOf returns what kind of trouble an error is; nil if there is none.
func troubleOf(err error) error {
	for _, kind := range []error{nil, ErrBadRecord, ErrDuplicateServerID, ErrQuorumLost, ErrStorageThrottled, ErrStoragePrecondition} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return errOther
}

// logStatus logs what has changed: each trouble once, not each time it is met again. Errors that
// differ each time, by a request's number or a port, count as the same for a while.
func (r *run) logStatus(now lease.Instant, was, is LeadershipStatus) {
	if is.LeaderID != was.LeaderID && !is.IsLeader && is.LeaderID != "" {
		r.log().Info("following", "leader", is.LeaderID, "addr", is.LeaderAddr, "term", is.Term)
	}
	switch r.trouble.turn(now, is.LastError, troubleOf(is.Err)) {
	case over:
		r.log().Info("election works again")
	case begun:
		r.log().Warn("election is in trouble", "error", is.LastError)
	}
	if r.peers == nil {
		return
	}
	switch r.peers.trouble.turn(now, is.PeerError, nil) {
	case over:
		r.log().Info("the leader answers again, or there is none to ask")
	case begun:
		r.log().Warn("cannot ask the leader, reading the storage instead", "error", is.PeerError)
	}
}

// needsHands reports whether a kind of trouble does not pass by itself. It is logged even where another
// trouble was logged just before: a leader whose record is overwritten meets a refusal first.
func needsHands(kind error) bool {
	return kind == ErrBadRecord || kind == ErrDuplicateServerID //nolint:errorlint // kinds are sentinels
}

// trouble is what was logged last of one kind of trouble.
type trouble struct {
	text string        // empty when all is well
	kind error         // one of those of troubleOf
	at   time.Duration // when it was logged
}

// turn is what has become of a trouble.
type turn int

const (
	same turn = iota
	begun
	over
)

// turn takes in the present error, empty for none, and of what kind it is, and returns what is worth
// a line in the log.
func (t *trouble) turn(now lease.Instant, text string, kind error) turn {
	switch {
	case text == t.text:
		return same
	case text == "":
		t.text = ""
		return over
	case t.text == "" || kind != t.kind && needsHands(kind) || now.Mono-t.at >= time.Minute: //nolint:errorlint // both are sentinels of one list
		t.text, t.kind, t.at = text, kind, now.Mono
		return begun
	}
	return same
}
