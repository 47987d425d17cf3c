package s3lect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Limits of a verification. A provider that takes one write per second gets fewer samples.
const (
	verifySamples  = 50
	verifySampling = 10 * time.Second
	verifyTearing  = 3 * time.Second
	verifyRounds   = 10
	verifyRacers   = 16
	verifyReaders  = 3
	verifyTidying  = 10 * time.Second
	staleReadPause = 100 * time.Millisecond
	staleReadTries = 50
	throttlePause  = time.Second
	throttleTries  = 5
	readTries      = 3
)

const verifyNote = "a leftover of a storage verification of s3lect, which can be deleted"

// respeller is a storage that can send ETags in another spelling.
type respeller interface {
	respelled() (other Storage, spelling, otherSpelling string)
}

// A verifier makes the requests of one verification. Its methods return an error when the
// verification cannot go on, and record everything else.
type verifier struct {
	storage Storage
	key     string
	version int    // the last one that was to be written
	last    []byte // the last body that is known to have landed; nil if that is not known
	done    bool

	refusals int // of a lone writer

	reads, writes []time.Duration

	mu     sync.Mutex // guards the report while there are several goroutines
	report *StorageReport
}

func (v *verifier) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		v.missingObject, v.raceToCreate, v.secondCreate, v.freshReplace, v.staleReplace,
		v.sequence, v.underWrites, v.raceToReplace, v.racedCounter,
	} {
		if err := step(ctx); err != nil || v.done {
			return err
		}
	}
	return nil
}

func (v *verifier) record(name string, passed bool, detail string, args ...any) {
	v.add(StorageCheck{Name: name, Required: true, Passed: passed, Detail: fmt.Sprintf(detail, args...)})
}

func (v *verifier) add(check StorageCheck) {
	v.report.Checks = append(v.report.Checks, check)
}

// tidy deletes the object. If that cannot be, it stays as it is: every version of it says what it is.
func (v *verifier) tidy(ctx context.Context) {
	if v.version == 0 {
		return // nothing was written
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifyTidying)
	defer cancel()
	if d, ok := v.storage.(Deleter); ok && d.Delete(ctx, v.key) == nil {
		return
	}
	if _, _, err := v.storage.Get(ctx, v.key); !errors.Is(err, ErrStorageNotFound) {
		v.report.LeftBehind = v.key
	}
}

// get reads one version. A read may fail once in a while, and can be repeated.
func (v *verifier) get(ctx context.Context) (data []byte, etag string, err error) {
	for range readTries {
		err = v.patiently(ctx, func() error {
			data, etag, err = v.storage.Get(ctx, v.key)
			return err
		})
		if err == nil || errors.Is(err, ErrStorageNotFound) || ctx.Err() != nil {
			break
		}
		v.pause(ctx, staleReadPause)
	}
	return data, etag, err
}

// settled reads the version that was written last. A storage may answer an older one for a while.
func (v *verifier) settled(ctx context.Context) (data []byte, etag string, err error) {
	if v.last == nil {
		return v.get(ctx)
	}
	etag, err = v.await(ctx, v.last)
	return v.last, etag, err
}

var errNotShown = fmt.Errorf("a write that succeeded did not show within %v", staleReadTries*staleReadPause)

// await reads until a body shows that was written.
func (v *verifier) await(ctx context.Context, want []byte) (etag string, err error) {
	for range staleReadTries {
		data, etag, err := v.get(ctx)
		if err != nil || bytes.Equal(data, want) {
			return etag, err
		}
		select {
		case <-time.After(staleReadPause):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "", errNotShown
}

// put writes and reports whether the condition held.
func (v *verifier) put(ctx context.Context, storage Storage, data []byte, etag string) (held bool, err error) {
	throttled := v.throttled()
	err = v.patiently(ctx, func() error { return storage.PutIfMatch(ctx, v.key, data, etag) })
	if errors.Is(err, ErrStoragePrecondition) && v.throttled() > throttled {
		current, _, readErr := v.get(ctx) // a throttled attempt may have landed all the same
		if readErr == nil && bytes.Equal(current, data) {
			err = nil
		}
	}
	switch {
	case errors.Is(err, ErrStoragePrecondition):
		return false, nil
	case err != nil:
		v.last = nil // it may have landed
		return false, err
	}
	v.last = data
	return true, nil
}

// next writes the next version.
func (v *verifier) next(ctx context.Context, etag string) (data []byte, held bool, err error) {
	v.version++
	data = probeBody(v.version, 0)
	held, err = v.put(ctx, v.storage, data, etag)
	return data, held, err
}

// patiently calls fn again, after growing pauses, while the storage asks to slow down.
func (v *verifier) patiently(ctx context.Context, fn func() error) error {
	pause := throttlePause
	for try := 1; ; try++ {
		err := fn()
		if !errors.Is(err, ErrStorageThrottled) {
			return err
		}
		v.noteThrottled()
		if try == throttleTries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}

func (v *verifier) noteThrottled() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Throttled++
}

func (v *verifier) throttled() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.report.Throttled
}

// A probeObject is what a verification writes. Its length depends on the version, so that a mixture
// of two versions shows.
type probeObject struct {
	Note    string `json:"note"`
	Version int    `json:"version"`
	Writer  int    `json:"writer"`
	Padding string `json:"padding"`
}

func probeBody(version, writer int) []byte {
	body, err := json.Marshal(probeObject{verifyNote, version, writer, strings.Repeat("x", version*37%400)})
	if err != nil {
		panic(err) // cannot be: strings and numbers
	}
	return body
}

// probeVersion returns the version of a body, and whether it is whole.
func probeVersion(body []byte) (version int, whole bool) {
	var o probeObject
	if json.Unmarshal(body, &o) != nil {
		return 0, false
	}
	return o.Version, bytes.Equal(body, probeBody(o.Version, o.Writer))
}

// timedStorage measures the calls that succeed.
type timedStorage struct {
	Storage
	reads, writes []time.Duration
}

func (t *timedStorage) Get(ctx context.Context, key string) ([]byte, string, error) {
	start := time.Now()
	data, etag, err := t.Storage.Get(ctx, key)
	if err == nil {
		t.reads = append(t.reads, time.Since(start))
	}
	return data, etag, err
}

func (t *timedStorage) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	start := time.Now()
	err := t.Storage.PutIfMatch(ctx, key, data, etag)
	if err == nil {
		t.writes = append(t.writes, time.Since(start))
	}
	return err
}
