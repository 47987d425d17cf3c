package demo

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/seed-6dc909bb/s3lect"
)

// requests counts what a process asked of the storage.
type requests struct {
	Reads   int64 `json:"reads"`
	Writes  int64 `json:"writes"`
	Refused int64 `json:"refused"` // writes that met another version than they expected
	Failed  int64 `json:"failed"`  // reads and writes without an answer
}

func (r *requests) add(other requests) {
	r.Reads += other.Reads
	r.Writes += other.Writes
	r.Refused += other.Refused
	r.Failed += other.Failed
}

// link is the way from a member to the storage. It counts what passes, and can be cut: then every
// request hangs until its context ends, as on a network that swallows packets.
type link struct {
	storage s3lect.Storage
	cut     atomic.Bool

	reads, writes, refused, failed atomic.Int64
}

func (l *link) Get(ctx context.Context, key string) ([]byte, string, error) {
	l.reads.Add(1)
	if err := l.pass(ctx); err != nil {
		return nil, "", err
	}
	data, etag, err := l.storage.Get(ctx, key)
	if !errors.Is(err, s3lect.ErrStorageNotFound) {
		l.count(err)
	}
	return data, etag, err
}

func (l *link) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := l.PutIfMatchETag(ctx, key, data, etag)
	return err
}

// PutIfMatchETag passes on the storage's ability to report the ETag of what it wrote; where it has
// none, the ETag is reported as not known.
func (l *link) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (newETag string, err error) {
	l.writes.Add(1)
	if err := l.pass(ctx); err != nil {
		return "", err
	}
	if putter, ok := l.storage.(s3lect.ETagPutter); ok {
		newETag, err = putter.PutIfMatchETag(ctx, key, data, etag)
	} else {
		err = l.storage.PutIfMatch(ctx, key, data, etag)
	}
	l.count(err)
	return newETag, err
}

func (l *link) pass(ctx context.Context) error {
	if !l.cut.Load() {
		return nil
	}
	<-ctx.Done()
	l.failed.Add(1)
	return context.Cause(ctx)
}

func (l *link) count(err error) {
	switch {
	case err == nil:
	case errors.Is(err, s3lect.ErrStoragePrecondition):
		l.refused.Add(1)
	default:
		l.failed.Add(1)
	}
}

func (l *link) requests() requests {
	return requests{Reads: l.reads.Load(), Writes: l.writes.Load(), Refused: l.refused.Load(), Failed: l.failed.Load()}
}
