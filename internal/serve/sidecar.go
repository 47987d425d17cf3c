package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/seed-6dc909bb/s3lect"
)

const defaultStreams = 1000

// sidecar tells programs who leads, and whether they may lead: those for which this server contests.
type sidecar struct {
	elector Elector
	metrics *Metrics
	streams chan struct{} // one element for each
	ended   chan struct{} // closed when there is nothing more to tell
	stopped atomic.Bool
}

func newSidecar(elector Elector, streams int, metrics *Metrics) *sidecar {
	if streams == 0 {
		streams = defaultStreams
	}
	metrics.addElection(elector)
	return &sidecar{elector: elector, metrics: metrics, streams: make(chan struct{}, streams), ended: make(chan struct{})}
}

func (s *sidecar) start(ctx context.Context) error { return s.elector.Start(ctx) }

// stop ends the election, and then the streams, which tell of its end. An election that has not
// ended in time is left to its lease.
func (s *sidecar) stop(limit context.Context) error {
	defer close(s.ended)
	defer s.stopped.Store(true)
	released := make(chan error, 1)
	go func() { released <- s.elector.Stop() }()
	select {
	case err := <-released:
		if err != nil {
			return fmt.Errorf("the leadership was not released and ends with its lease: %w", err)
		}
		return nil
	case <-limit.Done():
		return errors.New("the leadership was not released in time and ends with its lease")
	}
}

// count counts leaderships until ctx ends.
func (s *sidecar) count(ctx context.Context) {
	type leadership struct {
		leader string
		term   int64
	}
	var last leadership
	for status := range s.elector.Watch(ctx) {
		now := leadership{status.LeaderID, status.Term}
		if now.leader != "" && now != last {
			last = now
			s.metrics.leaderChanges.Inc()
		}
	}
}

// checked reports whether anything is known about the election.
func (s *sidecar) checked() bool {
	return !s.elector.GetLeadershipStatus().LastElectionTime.IsZero()
}

// leadership is the answer of /leader. Its JSON form is part of the server's interface.
type leadership struct {
	// Leader and Address are empty while nobody is known to lead.
	Leader  string `json:"leader"`
	Address string `json:"address"`
	// Term is the fencing token of the leader or, where there is none, of the last one.
	Term int64 `json:"term"`
	// Self is whether the leader is this server.
	Self bool `json:"self"`
	// RemainingMillis is for how long that is guaranteed without another renewal; 0 of others.
	RemainingMillis int64  `json:"remainingMillis"`
	Key             string `json:"key"`
	// Error is what is wrong with the election, as seen from here.
	Error string `json:"error,omitempty"`
}

// present is what is known now.
func (s *sidecar) present() leadership { return s.view(s.elector.GetLeadershipStatus()) }

// view is a status as others may see it. A leadership of this server is told only while it lasts,
// however old the status is.
func (s *sidecar) view(status *s3lect.LeadershipStatus) leadership {
	l := leadership{
		Leader: status.LeaderID, Address: status.LeaderAddr, Term: status.Term,
		Self: status.IsLeader, Key: status.LockfilePath, Error: status.LastError,
	}
	if !l.Self {
		return l
	}
	l.RemainingMillis = s.elector.Remaining().Milliseconds()
	if s.elector.Term() != l.Term { // asked last
		return l.over()
	}
	return l
}

// over is the same when this server leads no more.
func (l leadership) over() leadership {
	if l.Self {
		l.Leader, l.Address, l.Self, l.RemainingMillis = "", "", false, 0
	}
	return l
}

// answer is GET /leader.
func (s *sidecar) answer(w http.ResponseWriter, req *http.Request) {
	if s.knows(w, req) {
		answerJSON(w, http.StatusOK, s.present())
	}
}

// answerSelf is GET /leader/self: 200 while this server leads, for load balancers and shell scripts.
func (s *sidecar) answerSelf(w http.ResponseWriter, req *http.Request) {
	if !s.knows(w, req) {
		return
	}
	l := s.present()
	leads, follows := encode(l), encode(l.over())
	if l.Self && s.elector.IsLeader() { // the last thing before the answer
		answer(w, http.StatusOK, "application/json", leads)
		return
	}
	answer(w, http.StatusServiceUnavailable, "application/json", follows)
}

// knows answers the request itself where nothing is known about the election, not yet or not any
// more.
func (s *sidecar) knows(w http.ResponseWriter, req *http.Request) bool {
	switch {
	case s.stopped.Load():
		fail(w, req, http.StatusServiceUnavailable, codeShuttingDown, "the server is shutting down and takes no part in the election any more")
	case !s.checked():
		w.Header().Set("Retry-After", "1")
		fail(w, req, http.StatusServiceUnavailable, codeNotReady, "the election has not been looked at yet")
	default:
		return true
	}
	return false
}
