package rounds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/abandon"
)

const (
	// attempts is how often a call tries. Two changes are all that can happen to a round, so that
	// conflicts alone never use them up.
	attempts = 6

	// requestTimeout bounds one request to the storage, so that a hung one leaves time to read back.
	requestTimeout = 2 * time.Second

	// maxUnderWay bounds requests that have not returned, because on a storage that hangs and does not
	// heed contexts they pile up, and each can hold a thread.
	maxUnderWay = 5000

	firstPause     = 20 * time.Millisecond // doubles with every further attempt
	throttledPause = 200 * time.Millisecond
)

// update brings a round to the state that change asks for: it looks, asks for the next state, and
// writes that on the condition that nothing has happened meanwhile. A write whose outcome is not
// known is found, or not, by the next look. It returns the state in which change had nothing to
// do, or which was written.
func (r *Rounds) update(ctx context.Context, at place, change func(current record) (next record, changed bool, err error)) (record, error) {
	var failure error
	for n := range attempts {
		if err := r.pause(ctx, n, failure); err != nil {
			return record{}, undecided(errors.Join(err, failure))
		}
		current, etag, err := r.read(ctx, at)
		if isFinal(err) {
			return record{}, err
		}
		if err != nil {
			failure = err
			continue
		}
		next, changed, err := change(current)
		if !changed || err != nil {
			return current, err
		}
		if failure = r.confirm(ctx, at, current, etag); failure != nil {
			continue
		}
		next.Version++
		if failure = r.write(ctx, at, next, etag); failure == nil {
			return next, nil
		}
	}
	return record{}, undecided(failure)
}

// present changes nothing.
func (r *Rounds) present(ctx context.Context, at place) (record, error) {
	return r.update(ctx, at, func(current record) (record, bool, error) { return current, false, nil })
}

// object is what a storage has under a key.
type object struct {
	data    []byte
	etag    string
	created bool
}

// read returns an empty record where there is none.
func (r *Rounds) read(ctx context.Context, at place) (current record, etag string, err error) {
	found, err := request(ctx, r, func(ctx context.Context) (object, error) {
		data, etag, err := r.storage.Get(ctx, at.key)
		return object{data: data, etag: etag}, err
	})
	switch {
	case errors.Is(err, s3lect.ErrStorageNotFound):
		return newRecord(at), "", nil
	case err != nil:
		return record{}, "", asFinal(at, err)
	}
	current, err = decode(at, found.data)
	return current, found.etag, err
}

// confirm reads a second time before an ETag is used. Some storages pair, during a write, the ETag of
// the newer version with the bytes of the older one: what that write has brought would be undone.
func (r *Rounds) confirm(ctx context.Context, at place, seen record, etag string) error {
	if etag == "" {
		return nil
	}
	again, etagAgain, err := r.read(ctx, at)
	if err == nil && (again.Version != seen.Version || etagAgain != etag) {
		return s3lect.ErrStoragePrecondition
	}
	return err
}

func (r *Rounds) write(ctx context.Context, at place, next record, etag string) error {
	if etag == "" && r.creator != nil {
		_, created, err := r.create(ctx, at, next)
		if err == nil && !created {
			err = s3lect.ErrStoragePrecondition
		}
		return err
	}
	_, err := request(ctx, r, func(ctx context.Context) (object, error) {
		return object{}, r.storage.PutIfMatch(ctx, at.key, next.encode(), etag)
	})
	return err
}

// create makes the record of a round that has none, so that it expires when it is to. It returns
// the record that is there, if there is one.
func (r *Rounds) create(ctx context.Context, at place, first record) (current record, created bool, err error) {
	there, err := request(ctx, r, func(ctx context.Context) (object, error) {
		data, created, err := r.creator.GetOrCreate(ctx, at.key, first.encode(), r.retention)
		return object{data: data, created: created}, err
	})
	if err != nil {
		return record{}, false, asFinal(at, err)
	}
	if there.created {
		return first, true, nil
	}
	current, err = decode(at, there.data)
	return current, false, err
}

// request makes one request to the storage, bounded in time also where the storage does not heed
// contexts.
func request[T any](ctx context.Context, r *Rounds, fn func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if r.heedsContexts {
		return fn(ctx)
	}
	return abandon.Call(ctx, r.underWay, fn)
}

// asFinal tells in the words of rounds what a storage says for good.
func asFinal(at place, err error) error {
	if errors.Is(err, s3lect.ErrStorageForeign) {
		return &RecordError{Key: at.key, Err: err}
	}
	if errors.Is(err, s3lect.ErrStorageKey) {
		return &IdentifierError{"round", at.round, fmt.Sprintf("of %q cannot be kept here: %v", at.system, err)}
	}
	return err
}

// isFinal reports whether trying again is of no use.
func isFinal(err error) bool {
	var foreign *RecordError
	return errors.Is(err, ErrIdentifier) || errors.As(err, &foreign)
}

func undecided(err error) error {
	return fmt.Errorf("%w: %w", ErrUndecided, err)
}

// pause waits before the n-th attempt, for what has made the one before it fail.
func (r *Rounds) pause(ctx context.Context, n int, failure error) error {
	if n == 0 || n <= 2 && errors.Is(failure, s3lect.ErrStoragePrecondition) {
		return context.Cause(ctx) // somebody else was faster: the next look shows who
	}
	wait := firstPause << (n - 1)
	if errors.Is(failure, s3lect.ErrStorageThrottled) {
		wait = max(wait, throttledPause)
	}
	jitter := time.Duration(r.env.Uint64() % uint64(wait))
	timer := time.NewTimer(wait/2 + jitter)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
