package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// watchEvery is how often the connection that holds the lock is looked at.
const watchEvery = 5 * time.Second

// withWriter uses the connection that holds the lock, one call at a time. If the connection is lost by it, the storage has
// failed.
func (s *Storage) withWriter(ctx context.Context, timeout time.Duration, use func(context.Context, *pgx.Conn) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := ended(ctx, use(ctx, s.writer))
	if s.writer.IsClosed() {
		return s.guard.Fail(fmt.Errorf("the connection that holds the lock is lost: %w", err))
	}
	return err
}

// ended adds to an error of the server, which says that it was told to stop, the reason why it was.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// watch notices a lost connection while nothing is written, so that reads do not go on for ever.
func (s *Storage) watch(ctx context.Context) {
	defer close(s.watched)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.withWriter(ctx, s.timeout, func(ctx context.Context, connection *pgx.Conn) error { return connection.Ping(ctx) })
		if s.guard.Failed() {
			s.logger.Error("storage has failed", "table", s.table.String(), "error", err)
			return
		}
	}
}
