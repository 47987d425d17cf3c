package s3lect

import (
	"context"
	"log/slog"
	"sync"
)

// maxLogQueue bounds what is kept for a log that is stuck; what comes then is dropped.
const maxLogQueue = 1000

// logQueue hands records to a log from a goroutine of its own, which lives while there are any. A
// log can be slow, or stuck for good on a full pipe or a paused terminal, and the end of a
// leadership must not wait for it.
type logQueue struct {
	mu      sync.Mutex
	waiting []func()
	drained chan struct{} // closed when nothing waits any more; nil when nothing does
}

func (q *logQueue) add(write func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == maxLogQueue {
		return
	}
	q.waiting = append(q.waiting, write)
	if q.drained == nil {
		q.drained = make(chan struct{})
		go q.drain()
	}
}

func (q *logQueue) drain() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			close(q.drained)
			q.drained, q.waiting = nil, nil
			q.mu.Unlock()
			return
		}
		write := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		write()
	}
}

// empty returns a channel that is closed when nothing waits any more; nil if nothing does.
func (q *logQueue) empty() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.drained
}

// queuedHandler is a log behind a queue.
type queuedHandler struct {
	slog.Handler
	queue *logQueue
}

func (h queuedHandler) Handle(ctx context.Context, record slog.Record) error {
	kept := record.Clone()
	h.queue.add(func() {
		_ = h.Handler.Handle(ctx, kept) // as slog.Logger does: there is nobody to tell
	})
	return nil
}

func (h queuedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return queuedHandler{h.Handler.WithAttrs(attrs), h.queue}
}

func (h queuedHandler) WithGroup(name string) slog.Handler {
	return queuedHandler{h.Handler.WithGroup(name), h.queue}
}
