package storagetest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// patience is how long a call may take to notice that its context has ended.
const patience = 5 * time.Second

func cancelledContext(p *probe) error {
	key, never := p.key("cancelled"), p.key("never")
	etag, err := p.create(key, "data")
	if err != nil {
		return err
	}
	err = p.refuseEnded(map[string]func(ctx context.Context) error{
		"Get":                   func(ctx context.Context) error { _, _, err := p.storage.Get(ctx, key); return err },
		"PutIfMatch (replace)":  func(ctx context.Context) error { return p.storage.PutIfMatch(ctx, key, []byte("x"), etag) },
		"PutIfMatch (create)":   func(ctx context.Context) error { return p.storage.PutIfMatch(ctx, never, nil, "") },
		"PutIfMatch (conflict)": func(ctx context.Context) error { return p.storage.PutIfMatch(ctx, key, []byte("x"), "") },
	})
	if err != nil {
		return err
	}
	_, err = p.expect(key, "data")
	return err
}

// refuseEnded demands that calls refuse contexts that have ended.
func (p *probe) refuseEnded(calls map[string]func(ctx context.Context) error) error {
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	expired, cancel := context.WithDeadline(p.ctx, time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, expired} {
		for name, call := range calls {
			returned, err := promptly(func() error { return call(ctx) })
			switch {
			case !returned:
				return fmt.Errorf("%s did not return within %v of the end of its context", name, patience)
			case !errors.Is(err, ctx.Err()):
				return fmt.Errorf("%s on a context that had ended: want an error that wraps %q, got %w", name, ctx.Err().Error(), orNone(err))
			}
		}
	}
	return nil
}

// promptly gives up on a call that hangs, which is then left behind.
func promptly(call func() error) (returned bool, err error) {
	result := make(chan error, 1)
	go func() { result <- call() }()
	select {
	case err := <-result:
		return true, err
	case <-time.After(patience):
		return false, nil
	}
}

// cancelledWrite cancels writes at all moments. Afterwards the object is as before or as written;
// a write may also land late.
func cancelledWrite(p *probe) error {
	key := p.key("cut-off")
	etag, err := p.create(key, versioned(0))
	if err != nil {
		return err
	}
	before, start := 0, time.Now()
	if _, err := p.expect(key, versioned(0)); err != nil {
		return err
	}
	roundTrip := time.Since(start)
	for version := 1; version <= 20; version++ {
		ctx, cancel := context.WithTimeout(p.ctx, roundTrip*time.Duration(version)/10)
		returned, _ := promptly(func() error { return p.storage.PutIfMatch(ctx, key, []byte(versioned(version)), etag) })
		cancel()
		if !returned {
			return fmt.Errorf("PutIfMatch did not return within %v of its deadline", patience)
		}
		data, now, err := p.get(key)
		if err != nil {
			return err
		}
		after, err := versionOf(data)
		if err != nil {
			return err
		}
		if after < before || after > version {
			return wrongResult("version after a cancelled write", after, fmt.Sprintf("%d to %d", before, version))
		}
		before, etag = after, now
	}
	return nil
}
