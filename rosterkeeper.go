package s3lect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// rosterEdit changes a list, and reports whether there is anything to write.
type rosterEdit func(*roster.Roster) (bool, error)

// maxRefusals is after how many refused writes in a row a change is given up.
const maxRefusals = 20

// rosterKeeper reads and changes the list of observers beside a leader record.
type rosterKeeper struct {
	storage    Storage
	key        string
	lease      time.Duration
	env        *env.Env
	attendance *roster.Attendance
}

func (e *S3Elector) keeper(config *ElectorConfig) *rosterKeeper {
	return &rosterKeeper{
		storage: e.storage, key: ObserversKey(config.LockfilePath), lease: config.LeaderTimeout,
		env: e.env, attendance: e.attendance(),
	}
}

// look takes in the list as it stands; that there is none is no error.
func (k *rosterKeeper) look(ctx context.Context) error {
	_, _, err := k.read(ctx)
	return err
}

// prune takes those off the list who have departed, all but the one with that id, and reports whether
// there were any.
func (k *rosterKeeper) prune(list *roster.Roster, id string) bool {
	pruned := false
	for _, gone := range k.attendance.Departed(k.env.Now().Mono, k.lease, list) {
		if gone != id {
			pruned = list.Remove(gone) || pruned
		}
	}
	return pruned
}

// change edits the list until it is written: somebody else may be faster, any number of times. An
// edit that reports false has nothing to write. A write of unknown outcome is an error; done again
// it counts one heartbeat more, which does no harm. The edit is one of the observer with that id.
func (k *rosterKeeper) change(ctx context.Context, id string, edit rosterEdit) error {
	var refusal error // the last one
	for refusals := 0; ; refusals++ {
		list, etag, err := k.read(ctx)
		if err != nil {
			return afterRefusal(refusal, err)
		}
		// First, because it may be they who leave no room.
		pruned := k.prune(list, id)
		changed, refused := edit(list)
		if !pruned && (refused != nil || !changed) {
			return refused
		}
		err = k.write(ctx, list, etag)
		if err == nil {
			k.attendance.Wrote(k.env.Now().Mono, k.lease, list)
			return refused
		}
		if !errors.Is(err, ErrStoragePrecondition) {
			return afterRefusal(refusal, err)
		}
		refusal = err
		if refusals+1 == maxRefusals {
			return fmt.Errorf("%d times in a row: %w; others write the list all the time, or the storage does not understand the condition", refusals+1, err)
		}
		if err := k.backOff(ctx, refusals); err != nil {
			return afterRefusal(refusal, err)
		}
	}
}

// afterRefusal is an error that came when the storage had refused to write.
func afterRefusal(refusal, err error) error {
	if refusal == nil {
		return err
	}
	return fmt.Errorf("%w; then %w", refusal, err)
}

func (k *rosterKeeper) read(ctx context.Context) (*roster.Roster, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, k.lease/5)
	defer cancel()
	data, etag, err := k.storage.Get(ctx, k.key)
	list := &roster.Roster{}
	switch {
	case errors.Is(err, ErrStorageNotFound):
		etag = ""
	case err != nil:
		return nil, "", fmt.Errorf("read the list of observers %q: %w", k.key, err)
	case etag == "":
		return nil, "", fmt.Errorf("read the list of observers %q: the storage answered without an ETag, and nothing can be replaced safely without one", k.key)
	default:
		if list, err = roster.Decode(data); err != nil {
			return nil, "", &BadObserversError{Key: k.key, Reason: err.Error()}
		}
	}
	k.attendance.Saw(k.env.Now().Mono, k.lease, list)
	return list, etag, nil
}

func (k *rosterKeeper) write(ctx context.Context, list *roster.Roster, etag string) error {
	data, err := list.Encode()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // of a read that ignored it
	}
	ctx, cancel := context.WithTimeout(ctx, k.lease/5)
	defer cancel()
	if err := k.storage.PutIfMatch(ctx, k.key, data, etag); err != nil {
		return fmt.Errorf("write the list of observers %q: %w", k.key, err)
	}
	return nil
}

// backOff waits a random time that grows with the number of refusals in a row.
func (k *rosterKeeper) backOff(ctx context.Context, refusals int) error {
	width := min(50*time.Millisecond<<min(refusals, 10), time.Second, k.lease/10)
	random := float64(k.env.Uint64()>>11) / (1 << 53)
	timer := k.env.NewTimer()
	defer timer.Stop()
	timer.Reset(width/8 + time.Duration(random*float64(width)))
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
