package s3lect

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Limits of the counter that many writers raise.
const (
	verifyCounters   = 8
	verifyIncrements = 15
	verifyCounting   = 10 * time.Second
)

// racedCounter has many writers read, add one and write back, each time on the condition that
// nobody else was faster. Unlike a race that all begin at once, it meets the moments in which a
// storage has written one half of a version, or has compared and not yet replaced.
func (v *verifier) racedCounter(ctx context.Context) error {
	const name = "a counter raced by compare-and-swap is exact"
	data, _, err := v.settled(ctx)
	if err != nil {
		return err
	}
	first, _ := probeVersion(data)
	var confirmed, unknown, parts atomic.Int64
	begin := time.Now()
	_ = together(verifyCounters, func(i int) error {
		for done := 0; done < verifyIncrements && time.Since(begin) < verifyCounting && ctx.Err() == nil; {
			current, etag, err := v.get(ctx)
			if err != nil {
				continue // get has paused
			}
			version, whole := probeVersion(current)
			if !whole {
				parts.Add(1)
				continue
			}
			err = v.storage.PutIfMatch(ctx, v.key, probeBody(version+1, i), etag)
			switch {
			case err == nil:
				confirmed.Add(1)
				done++
			case errors.Is(err, ErrStorageThrottled):
				v.noteThrottled()
				unknown.Add(1)
				v.pause(ctx, throttlePause)
			case !errors.Is(err, ErrStoragePrecondition):
				unknown.Add(1)
				v.pause(ctx, staleReadPause)
			}
		}
		return nil
	})
	v.last = nil
	data, _, err = v.get(ctx)
	if err != nil {
		return err
	}
	last, whole := probeVersion(data)
	v.version = max(v.version, last) + 1
	least, most := confirmed.Load(), confirmed.Load()+unknown.Load()
	counted := int64(last - first)
	switch {
	case !whole || parts.Load() > 0:
		v.record(name, false, "%d reads answered a part or a mixture of versions", max(1, parts.Load()))
	case counted < least || counted > most:
		v.record(name, false, "it was raised by %d after %d confirmed increments and %d of unknown outcome; leader election is not possible on this storage", counted, least, unknown.Load())
	default:
		v.record(name, true, "%d increments by %d writers", least, verifyCounters)
	}
	return nil
}

func (v *verifier) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
