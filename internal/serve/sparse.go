package serve

import (
	"context"
	"log/slog"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// sparse hands on so many lines of a log and no more, and says how many it has left out.
type sparse struct {
	slog.Handler

	limit   *rate.Limiter
	dropped atomic.Int64
}

func (s *sparse) Handle(ctx context.Context, record slog.Record) error {
	if !s.limit.Allow() {
		s.dropped.Add(1)
		return nil
	}
	if n := s.dropped.Swap(0); n > 0 {
		record.AddAttrs(slog.Int64("leftOut", n))
	}
	return s.Handler.Handle(ctx, record)
}
