package roundsim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// link is one server's way to the store. It is a plain s3lect.Storage.
type link struct {
	w *world
	s *server

	heeds bool // contexts, always

	mu  sync.Mutex
	cut cut
}

// etagLink also reports the ETag of what it wrote.
type etagLink struct{ *link }

// creatorLink can also create an object or tell which is there, in one step.
type creatorLink struct{ *link }

// heedingLink is a creatorLink whose calls return when their context ends, whatever the weather.
type heedingLink struct{ *creatorLink }

// HeedsContexts implements s3lect.ContextHeeder.
func (heedingLink) HeedsContexts() bool { return true }

// answer is what comes back: a version, or an error.
type answer struct {
	version version
	created bool
	n       int // the number of the version that was written; 0 for none
	err     error
}

func (l *link) cutNow() cut {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *link) set(c cut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = c
}

func (l *link) Get(ctx context.Context, key string) ([]byte, string, error) {
	oldest := l.w.store.oldest(key)
	a := l.do(ctx, "GET "+key, false, func(f fate) answer { return l.read(key, f, oldest) })
	return a.version.data, a.version.etag, a.err
}

func (l *link) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := l.put(ctx, key, data, etag)
	return err
}

func (l *etagLink) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (string, error) {
	return l.put(ctx, key, data, etag)
}

func (l *link) put(ctx context.Context, key string, data []byte, etag string) (string, error) {
	a := l.do(ctx, fmt.Sprintf("PUT %s %s", key, data), true, func(f fate) answer {
		n := l.w.store.put(key, data, etag, l.s)
		if n > 0 && f.resent {
			n = 0
		}
		if n == 0 {
			return answer{err: s3lect.ErrStoragePrecondition}
		}
		return answer{version: version{data: data, etag: etagOf(data)}, n: n}
	})
	if a.err == nil {
		l.w.store.confirm(key, a.n)
	}
	return a.version.etag, a.err
}

func (l *creatorLink) GetOrCreate(ctx context.Context, key string, data []byte, _ time.Duration) ([]byte, bool, error) {
	a := l.do(ctx, fmt.Sprintf("CREATE %s %s", key, data), true, func(f fate) answer {
		n := l.w.store.put(key, data, "", l.s)
		v, _ := l.w.store.last(key)
		return answer{version: *v, created: n > 0 && !f.resent, n: n}
	})
	if a.err != nil {
		return nil, false, a.err
	}
	l.w.store.confirm(key, a.n)
	return a.version.data, a.created, nil
}

// read looks at the object once, or twice if the answer is to be torn.
func (l *link) read(key string, f fate, oldest int) answer {
	v, n := l.w.store.last(key)
	switch {
	case f.torn:
		time.Sleep(f.serving)
		later, _ := l.w.store.last(key)
		if v == nil || later == nil {
			break
		}
		if f.newBytes {
			v.data = later.data
		} else {
			v.etag = later.etag
		}
	case f.stale > 0:
		v = l.w.store.nth(key, n-int(f.stale*float64(n-oldest+1)))
	}
	if v == nil {
		return answer{err: s3lect.ErrStorageNotFound}
	}
	return answer{version: *v}
}

// do sends one request to the storage and waits for its answer as long as ctx allows.
func (l *link) do(ctx context.Context, what string, write bool, serve func(fate) answer) answer {
	l.mu.Lock()
	c := l.cut
	l.mu.Unlock()
	// The fate depends on the call that the request is for, and on which of its requests it is, so
	// that neither time nor the order of what happens at once matters when a seed replays.
	f := l.w.weatherNow().draw(l.w.dice("request "+inquiryOf(ctx).next()), c, write)
	l.w.trace.add(l.s.name, "%s%v", what, f)

	answered := make(chan answer, 1)
	l.w.requests.start(func() { l.travel(f, serve, answered) })
	select {
	case a := <-answered:
		return a
	case <-ctx.Done():
		if !l.heeds {
			l.w.calmOr(f.deaf)
		}
		return answer{err: fmt.Errorf("request: %w", context.Cause(ctx))}
	}
}

// travel is the request's way to the storage and back, whatever its sender does meanwhile.
func (l *link) travel(f fate, serve func(fate) answer, answered chan<- answer) {
	time.Sleep(f.there)
	switch {
	case f.vanishes:
		return
	case f.refused != nil:
		time.Sleep(f.back)
		answered <- answer{err: f.refused}
		return
	case f.late > 0:
		answered <- answer{err: f.replaced}
		l.w.calmOr(f.late)
		serve(f)
		return
	}
	a := serve(f)
	time.Sleep(f.back)
	if f.replaced != nil {
		a = answer{err: f.replaced}
	}
	if !f.unheard {
		answered <- a
	}
}
