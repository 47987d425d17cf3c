package serve

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

const (
	// streamComment is the longest silence on a stream: proxies close silent connections, and a
	// client can tell by it that the server is there.
	streamComment = 15 * time.Second
	// streamPatience is for how long a reader may keep one event waiting. The changes that come
	// meanwhile are kept for it.
	streamPatience = 5 * time.Second
)

// watch is GET /leader/watch: the leadership, and then every change of it, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func (s *sidecar) watch(w http.ResponseWriter, req *http.Request) {
	if s.stopped.Load() {
		fail(w, req, http.StatusServiceUnavailable, codeShuttingDown, "the server is shutting down and takes no part in the election any more")
		return
	}
	if req.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		fail(w, req, http.StatusMethodNotAllowed, rounds.CodeMethodNotAllowed, "only GET is answered here")
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, req, http.StatusServiceUnavailable, codeTooManyStreams, "too many are watching already")
		return
	}
	s.metrics.watchers.Inc()
	defer s.metrics.watchers.Dec()

	ctx, cancel := context.WithCancel(req.Context())
	changes, done := make(chan s3lect.LeadershipStatus), make(chan struct{})
	go func() {
		defer close(done)
		s.follow(ctx, changes)
	}()
	out := &stream{w: w, control: http.NewResponseController(w), sidecar: s}
	out.run(ctx, changes)
	cancel()
	<-done
}

// follow hands the changes on until ctx ends.
func (s *sidecar) follow(ctx context.Context, changes chan<- s3lect.LeadershipStatus) {
	for status := range s.elector.Watch(ctx) {
		select {
		case changes <- status:
		case <-ctx.Done():
			return
		}
	}
}

// stream is what one client watches.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	sidecar *sidecar

	events int64
	last   leadership
}

// run writes until the client is gone, or does not read, or there is nothing more to tell.
func (s *stream) run(ctx context.Context, changes <-chan s3lect.LeadershipStatus) {
	if s.open() != nil {
		return
	}
	silence := time.NewTicker(streamComment)
	defer silence.Stop()
	for {
		var err error
		select {
		case status := <-changes:
			err = s.tell(s.sidecar.view(&status))
			silence.Reset(streamComment)
		case <-silence.C:
			err = s.write(": still here\n\n")
		case <-s.sidecar.ended:
			_ = s.tell(s.sidecar.present()) // the end of an own leadership; afterwards all is said
			return
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) open() error {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects events would keep them
	return s.write("retry: 1000\n\n")
}

// tell writes an event, if there is any news in it.
func (s *stream) tell(l leadership) error {
	said := l
	said.RemainingMillis = 0 // differs each time
	if s.events > 0 && said == s.last {
		return nil
	}
	s.last = said
	s.events++
	return s.write(fmt.Sprintf("event: leadership\nid: %d\ndata: %s\n", s.events, encode(l)))
}

// write gives the client a while to read, and the server none to cut a silent stream off.
func (s *stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.w, text); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil {
		return err
	}
	return s.control.SetWriteDeadline(time.Time{})
}
