package cli

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// failing is a storage that answers nothing but an error.
type failing struct{ err error }

func (f failing) Get(context.Context, string) ([]byte, string, error) { return nil, "", f.err }

func (f failing) PutIfMatch(context.Context, string, []byte, string) error { return f.err }

// flaky is a storage whose reads can be made to fail.
type flaky struct {
	s3lect.Storage
	fail atomic.Bool
}

var errFlaky = errors.New("the storage is away")

func (f *flaky) Get(ctx context.Context, key string) ([]byte, string, error) {
	if f.fail.Load() {
		return nil, "", errFlaky
	}
	return f.Storage.Get(ctx, key)
}

// slow is a storage that takes its time for a write.
type slow struct{ s3lect.Storage }

func (s slow) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if err := pause(ctx, 100*time.Millisecond); err != nil {
		return err
	}
	return s.Storage.PutIfMatch(ctx, key, data, etag)
}

// interruptAfter is an operator who loses patience.
func (term *terminal) interruptAfter(d time.Duration) {
	time.AfterFunc(d, func() { term.signals <- syscall.SIGINT })
}
