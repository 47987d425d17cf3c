package rounds

import (
	"container/list"
	"math"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimited is for how many systems the rate is remembered. With more of them asking, that of the one
// which has been silent longest begins anew: it can then ask for a burst too much.
const maxLimited = 10_000

// limits hold each system to a rate.
type limits struct {
	rate  rate.Limit
	burst int

	mu       sync.Mutex
	bySystem map[string]*list.Element
	recent   list.List // of limited, the one that asked last in front
}

type limited struct {
	system  string
	limiter *rate.Limiter
}

func newLimits(perSecond float64, burst int) *limits {
	if burst == 0 {
		burst = int(math.Ceil(min(perSecond, math.MaxInt32)))
	}
	return &limits{rate: rate.Limit(perSecond), burst: burst, bySystem: map[string]*list.Element{}}
}

// take lets a request for the system pass, or returns after which time it is worth asking again.
// A nil *limits lets everything pass.
func (l *limits) take(system string) (wait time.Duration) {
	if l == nil {
		return 0
	}
	now := time.Now()
	limiter := l.of(system)
	if limiter.AllowN(now, 1) {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	inSeconds := min(math.Ceil(missing/float64(l.rate)), maxRetryAfter.Seconds())
	return time.Duration(max(1, inSeconds)) * time.Second
}

func (l *limits) of(system string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.bySystem[system]; known != nil {
		l.recent.MoveToFront(known)
		return known.Value.(*limited).limiter //nolint:errcheck // nothing else is put there
	}
	if l.recent.Len() >= maxLimited {
		oldest := l.recent.Remove(l.recent.Back()).(*limited) //nolint:errcheck // nothing else is put there
		delete(l.bySystem, oldest.system)
	}
	newest := &limited{system, rate.NewLimiter(l.rate, l.burst)}
	l.bySystem[system] = l.recent.PushFront(newest)
	return newest.limiter
}

// maxRetryAfter is as long as anybody is asked to wait.
const maxRetryAfter = time.Hour

// seconds is a wait as the header Retry-After gives it.
func seconds(wait time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}
