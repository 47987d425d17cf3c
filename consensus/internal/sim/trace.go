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
	return fmt.Sprintf("%10.4fs  %-10s %s", e.at.Seconds(), e.who, fmt.Sprintf(e.what, e.args...))
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

// logger returns a logger that writes into the story. Each line is shown to heard first.
func (t *trace) logger(who string, heard func(message string, attributes map[string]string)) *slog.Logger {
	return slog.New(&storyteller{trace: t, who: who, heard: heard})
}

// storyteller is a slog.Handler.
type storyteller struct {
	trace  *trace
	who    string
	heard  func(message string, attributes map[string]string)
	common []slog.Attr
}

// Enabled takes everything: what the engine says of its elections comes at the lowest level.
func (s *storyteller) Enabled(context.Context, slog.Level) bool { return true }

func (s *storyteller) Handle(_ context.Context, record slog.Record) error {
	attributes, text := map[string]string{}, strings.Builder{}
	note := func(a slog.Attr) bool {
		value := a.Value.String()
		attributes[a.Key] = value
		fmt.Fprintf(&text, " %s=%s", a.Key, value)
		return true
	}
	for _, a := range s.common {
		note(a)
	}
	record.Attrs(note)
	s.heard(record.Message, attributes)
	if record.Level < slog.LevelInfo {
		return nil // the story would be too long
	}
	s.trace.add(s.who, "%s", record.Message+text.String())
	return nil
}

func (s *storyteller) WithAttrs(attributes []slog.Attr) slog.Handler {
	more := *s
	more.common = append(append([]slog.Attr{}, s.common...), attributes...)
	return &more
}

func (s *storyteller) WithGroup(string) slog.Handler { return s }
