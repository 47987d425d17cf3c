package rounds

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond // doubles each time all servers have been asked
	maxBackoff   = 2 * time.Second
)

// retry says that asking again makes sense, and how long this server wants to be left alone.
type retry struct{ after time.Duration }

func retryOf(response *http.Response) *retry {
	after, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return &retry{} // a date, or nothing
	}
	return &retry{time.Duration(after) * time.Second}
}

// schedule is from when on each server may be asked again.
type schedule []time.Time

// failed puts the server off that has failed in the n-th attempt, and returns which one is to be asked
// next: the one after it, or the first that may be asked if that may not yet.
func (s schedule) failed(server, n int, after time.Duration) (next int) {
	backoff := min(firstBackoff<<min((n-1)/len(s), 10), maxBackoff)
	now := time.Now()
	s[server] = now.Add(after + backoff/2 + rand.N(backoff/2)) //nolint:gosec // jitter is no secret
	next = (server + 1) % len(s)
	for i := range s {
		other := (server + 1 + i) % len(s)
		if s[next].After(now) && s[other].Before(s[next]) {
			next = other
		}
	}
	return next
}

// inTime reports whether the server may be asked before the context ends.
func (s schedule) inTime(ctx context.Context, server int) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() == nil && (!limited || s[server].Before(deadline))
}

// wait waits until the server may be asked. It reports whether that is before the context ends.
func (s schedule) wait(ctx context.Context, server int) bool {
	pause := time.Until(s[server])
	if pause <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
