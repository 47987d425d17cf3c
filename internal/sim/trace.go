package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// traceLength is how many of the last events are kept.
const traceLength = 4000

// trace is the story of a run. Events are kept unformatted: most runs are never read.
type trace struct {
	start time.Time
	live  io.Writer // if not nil, events are also written as they happen

	mu     sync.Mutex
	events []event
	next   int
}

type event struct {
	at   time.Duration
	who  string
	what string
	args []any
}

func (e event) String() string {
	return fmt.Sprintf("%10.4fs  %-7s %s", e.at.Seconds(), e.who, fmt.Sprintf(e.what, e.args...))
}

func newTrace(live io.Writer) *trace { return &trace{start: time.Now(), live: live} }

// add records an event. The arguments must not change afterwards.
func (t *trace) add(who, what string, args ...any) {
	e := event{time.Since(t.start), who, what, args}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live != nil {
		fmt.Fprintln(t.live, e)
	}
	if len(t.events) < traceLength {
		t.events = append(t.events, e)
		return
	}
	t.events[t.next] = e
	t.next = (t.next + 1) % traceLength
}

// tail returns the last events, oldest first.
func (t *trace) tail(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ordered := append(append([]event{}, t.events[t.next:]...), t.events[:t.next]...)
	if len(ordered) > n {
		ordered = ordered[len(ordered)-n:]
	}
	var b strings.Builder
	for _, e := range ordered {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// logHandler puts what an elector logs into the trace.
type logHandler struct {
	t     *trace
	who   string
	level slog.Level
	attrs []slog.Attr
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	h.t.add(h.who, "log: %v", logLine{r.Clone(), h.attrs})
	return nil
}

func (h *logHandler) WithAttrs(a []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(append([]slog.Attr{}, h.attrs...), a...)
	return &c
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }

type logLine struct {
	r     slog.Record
	attrs []slog.Attr
}

func (l logLine) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s", l.r.Level, l.r.Message)
	for _, a := range l.attrs {
		fmt.Fprintf(&b, " %v", a)
	}
	l.r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&b, " %v", a); return true })
	return b.String()
}
