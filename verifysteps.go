package s3lect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// conditionIgnored is the finding about a server that accepts conditions and does not heed them.
const conditionIgnored = "it was accepted: the storage does not heed the condition, so leader election is not possible on it"

func (v *verifier) missingObject(ctx context.Context) error {
	const name = "a missing object is not found"
	_, _, err := v.get(ctx)
	if err != nil && !errors.Is(err, ErrStorageNotFound) {
		return err
	}
	if err == nil {
		v.record(name, false, "there is an object under the random key %q", v.key)
		v.done = true
		return nil
	}
	v.record(name, true, "")
	return nil
}

func (v *verifier) raceToCreate(ctx context.Context) error {
	result, err := v.race(ctx, "")
	if err != nil {
		return err
	}
	v.record("a race to create has one winner", result == "", "%s", orElse(result, fmt.Sprintf("%d writers", verifyRacers)))
	return nil
}

func (v *verifier) secondCreate(ctx context.Context) error {
	_, held, err := v.next(ctx, "")
	if err != nil {
		return err
	}
	v.record("a second create is refused", !held, "%s", when(held, conditionIgnored))
	return nil
}

// freshReplace also finds out the spelling of ETags, and goes on with one that works. A server may
// call the wrong spelling an error, rather than another version.
func (v *verifier) freshReplace(ctx context.Context) error {
	const name = "a fresh replace succeeds"
	held, err := v.replaceThrough(ctx, v.storage)
	r, ok := v.storage.(respeller)
	switch {
	case !ok && err != nil:
		return err
	case !ok:
		v.record(name, held, "%s", when(!held, "it was refused, although the ETag was the current one"))
		v.done = !held
		return nil
	}
	other, spelling, otherSpelling := r.respelled()
	otherHeld, _ := v.replaceThrough(ctx, other)
	if err != nil { // perhaps not because of the spelling
		held, err = v.replaceThrough(ctx, v.storage)
	}
	switch {
	case err != nil && !otherHeld:
		return err
	case held && otherHeld:
		v.report.ETagSpelling = "either"
		v.record(name, true, "ETags may be quoted or not")
	case held:
		v.report.ETagSpelling = spelling
		v.record(name, true, "ETags must be sent %s", spelling)
	case otherHeld:
		v.report.ETagSpelling = otherSpelling
		v.record(name, false, "it was refused: this storage wants ETags %s; open it with etag=%s", otherSpelling, otherSpelling)
		v.storage = other
	default:
		v.record(name, false, "it was refused in either spelling of the ETag, although that was the current one")
		v.done = true
	}
	return nil
}

func (v *verifier) replaceThrough(ctx context.Context, storage Storage) (held bool, err error) {
	_, etag, err := v.settled(ctx)
	if err != nil {
		return false, err
	}
	v.version++
	return v.put(ctx, storage, probeBody(v.version, 0), etag)
}

func (v *verifier) staleReplace(ctx context.Context) error {
	_, stale, err := v.settled(ctx)
	if err != nil {
		return err
	}
	if _, _, err := v.next(ctx, stale); err != nil {
		return err
	}
	_, held, err := v.next(ctx, stale)
	if err != nil {
		return err
	}
	v.record("a stale replace is refused", !held, "%s", when(held, conditionIgnored))
	return nil
}

// sequence writes and reads in turns, and measures.
func (v *verifier) sequence(ctx context.Context) error {
	_, etag, err := v.settled(ctx)
	if err != nil {
		return err
	}
	timed := &timedStorage{Storage: v.storage}
	v.storage = timed
	defer func() { v.storage, v.reads, v.writes = timed.Storage, timed.reads, timed.writes }()

	staleReads, reused, seen := 0, 0, map[string]bool{etag: true}
	for begin := time.Now(); len(timed.writes) < verifySamples && time.Since(begin) < verifySampling; {
		data, held, err := v.next(ctx, etag)
		if err != nil {
			return err
		}
		if !held {
			if etag, err = v.refused(ctx); err != nil {
				return err
			}
			continue
		}
		got, newETag, err := v.get(ctx)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, data) {
			staleReads++
			if newETag, err = v.await(ctx, data); err != nil {
				return err
			}
		}
		if seen[newETag] {
			reused++
		}
		seen[newETag], etag = true, newETag
	}
	v.add(StorageCheck{
		Name: "a read after a write sees it", Passed: staleReads == 0,
		Detail: when(staleReads > 0, fmt.Sprintf("%d of %d reads answered an older version; elections stay safe and take longer", staleReads, len(timed.writes))),
	})
	v.record("an ETag changes with the bytes", reused == 0, "%s", when(reused > 0, fmt.Sprintf("%d of %d versions had the ETag of an earlier one", reused, len(timed.writes))))
	return nil
}

// underWrites reads while one writer writes, who thereby knows the ETag of every version.
func (v *verifier) underWrites(ctx context.Context) error {
	data, etag, err := v.settled(ctx)
	if err != nil {
		return err
	}
	first, _ := probeVersion(data)
	versions := map[string]int{etag: first}
	writing, done := context.WithCancel(ctx)
	defer done()
	readings := make([][]reading, verifyReaders)
	err = together(verifyReaders+1, func(i int) (err error) {
		if i < verifyReaders {
			readings[i], err = v.readWhile(ctx, writing)
			return err
		}
		defer done()
		for begin := time.Now(); len(versions) < verifySamples && time.Since(begin) < verifyTearing; {
			data, held, err := v.next(ctx, etag)
			if err != nil {
				return err
			}
			if !held {
				if etag, err = v.refused(ctx); err != nil {
					return err
				}
				continue
			}
			if etag, err = v.await(ctx, data); err != nil {
				return err
			}
			versions[etag] = v.version
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.judge(versions, readings)
	v.add(StorageCheck{
		Name: "a lone writer is never refused", Passed: v.refusals == 0,
		Detail: when(v.refusals > 0, fmt.Sprintf("%d writes were refused although nobody else wrote; elections stay safe and renewals take longer; something on the way may send requests twice", v.refusals)),
	})
	return nil
}

// refused goes on from the current version after a write that should have succeeded.
func (v *verifier) refused(ctx context.Context) (etag string, err error) {
	v.refusals++
	v.last = nil
	_, etag, err = v.get(ctx)
	return etag, err
}

// A reading is the ETag and the version in the body of one answer.
type reading struct {
	etag    string
	version int
	whole   bool
	failed  error // instead of all that
}

func (v *verifier) readWhile(ctx, writing context.Context) (list []reading, err error) {
	for writing.Err() == nil {
		data, etag, err := v.storage.Get(ctx, v.key)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			list = append(list, reading{failed: err})
			v.pause(ctx, staleReadPause)
		default:
			version, whole := probeVersion(data)
			list = append(list, reading{etag: etag, version: version, whole: whole})
		}
	}
	return list, nil
}

// judge tells the harmless kind of torn reads, which cannot lead to a write, from the others.
func (v *verifier) judge(versions map[string]int, readings [][]reading) {
	total, parts, older, newer, failed := 0, 0, 0, 0, 0
	var failure error
	for _, list := range readings {
		for _, r := range list {
			total++
			version, known := versions[r.etag]
			switch {
			case r.failed != nil:
				failed++
				failure = r.failed
			case !r.whole:
				parts++
			case known && version > r.version:
				older++
			case known && version < r.version:
				newer++
			}
		}
	}
	const name = "a body matches its ETag"
	switch {
	case parts > 0:
		v.record(name, false, "%d of %d reads during writes answered a part or a mixture of versions", parts, total)
	case older > 0:
		v.record(name, false, "%d of %d reads during writes answered a newer ETag with an older body", older, total)
	case newer > 0:
		v.record(name, true, "%d of %d reads during writes answered an older ETag with a newer body, which does no harm", newer, total)
	default:
		v.record(name, true, "%d reads during %d writes", total, len(versions)-1)
	}
	v.add(StorageCheck{
		Name: "reads succeed while there are writes", Passed: failed == 0,
		Detail: when(failed > 0, fmt.Sprintf("%d of %d reads failed: %v", failed, total, failure)),
	})
}

func (v *verifier) raceToReplace(ctx context.Context) error {
	const name = "a race to replace has one winner"
	for range verifyRounds {
		_, etag, err := v.settled(ctx)
		if err != nil {
			return err
		}
		result, err := v.race(ctx, etag)
		if err != nil {
			return err
		}
		if result != "" {
			v.record(name, false, "%s", result)
			return nil
		}
	}
	v.record(name, true, "%d rounds of %d writers", verifyRounds, verifyRacers)
	return nil
}

// race lets many write on one condition. The result is empty if at most one was told that it had
// won, and the object is its. Some may be told neither; then one of them may have won.
func (v *verifier) race(ctx context.Context, etag string) (result string, err error) {
	v.version++
	errs := make([]error, verifyRacers)
	_ = together(verifyRacers, func(i int) error {
		errs[i] = v.storage.PutIfMatch(ctx, v.key, probeBody(v.version, i), etag)
		return nil
	})
	winners, winner, unknown := 0, -1, error(nil)
	for i, err := range errs {
		switch {
		case err == nil:
			winners++
			winner = i
		case errors.Is(err, ErrStorageThrottled):
			v.noteThrottled()
			unknown = err
		case !errors.Is(err, ErrStoragePrecondition):
			unknown = err
		}
	}
	v.last = nil
	switch {
	case winners > 1:
		return fmt.Sprintf("%d of %d writers were told that they had won; leader election is not possible on this storage", winners, verifyRacers), nil
	case winners == 0 && unknown == nil:
		return "no writer won", nil
	case winners == 0:
		return "", v.anyoneCanWrite(ctx, unknown)
	}
	v.last = probeBody(v.version, winner)
	if _, _, err := v.settled(ctx); !errors.Is(err, errNotShown) {
		return "", err
	}
	v.last = nil
	return "one writer was told that it had won, but the object is another's; leader election is not possible on this storage", nil
}

// anyoneCanWrite returns the error of writes unless there is an object all the same.
func (v *verifier) anyoneCanWrite(ctx context.Context, failure error) error {
	_, _, err := v.get(ctx)
	if errors.Is(err, ErrStorageNotFound) {
		return failure
	}
	return err
}

// together calls fn n times at once and returns one of the errors.
func together(n int, fn func(i int) error) error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func when(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}
