package endpoint

import (
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	refusalWindow = 10 * time.Second
	refusalLines  = 20 // in each window
)

// Refusals logs why connections are refused, so that whoever can reach the port cannot fill a disk with it.
type Refusals struct {
	logger *slog.Logger

	mu         sync.Mutex
	began      time.Time
	lines      int
	suppressed int
}

// NewRefusals returns a log of refusals.
func NewRefusals(logger *slog.Logger) *Refusals { return &Refusals{logger: logger} }

// Log writes a line, if there were not too many of late. The next one that is written says how many were left out.
func (r *Refusals) Log(remote net.Addr, err error) {
	suppressed, ok := r.allow(time.Now())
	if !ok {
		return
	}
	attributes := []any{slog.String("remote", remote.String()), slog.String("error", err.Error())}
	if suppressed > 0 {
		attributes = append(attributes, slog.Int("suppressed", suppressed))
	}
	r.logger.Warn("refused a connection", attributes...)
}

func (r *Refusals) allow(now time.Time) (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.began) >= refusalWindow {
		r.began, r.lines = now, 0
	}
	if r.lines == refusalLines {
		r.suppressed++
		return 0, false
	}
	r.lines++
	suppressed, r.suppressed = r.suppressed, 0
	return suppressed, true
}
