package roundsim

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// trace is the story of a run. Events are kept unformatted: most runs are never read.
type trace struct {
	start time.Time
	live  io.Writer // if not nil, events are also written as they happen

	mu     sync.Mutex
	events []event
}

type event struct {
	at        time.Duration
	who, what string
	args      []any
}

func (e event) String() string {
	return fmt.Sprintf("%10.4fs  %-12s %s", e.at.Seconds(), e.who, fmt.Sprintf(e.what, e.args...))
}

// add records an event. The arguments must not change afterwards.
func (t *trace) add(who, what string, args ...any) {
	e := event{time.Since(t.start), who, what, args}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live != nil {
		fmt.Fprintln(t.live, e)
	}
	t.events = append(t.events, e)
}

// tail returns the last events, oldest first.
func (t *trace) tail(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, e := range t.events[max(0, len(t.events)-n):] {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}
