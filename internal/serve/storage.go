package serve

import (
	"context"
	"errors"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// Storage returns the storage with its calls counted and timed. It has the capabilities ETagPutter
// and Creator where the given one has them, and ContextHeeder. Others, which a server does not use, are lost.
func (m *Metrics) Storage(storage s3lect.Storage) s3lect.Storage {
	s := &meter{storage, m}
	putter, puts := storage.(s3lect.ETagPutter)
	creator, creates := storage.(s3lect.Creator)
	switch {
	case puts && creates:
		return struct {
			*meter
			putMeter
			createMeter
		}{s, putMeter{putter, m}, createMeter{creator, m}}
	case puts:
		return struct {
			*meter
			putMeter
		}{s, putMeter{putter, m}}
	case creates:
		return struct {
			*meter
			createMeter
		}{s, createMeter{creator, m}}
	}
	return s
}

// HeedsContexts is the storage's own answer.
func (s *meter) HeedsContexts() bool {
	heeder, ok := s.storage.(s3lect.ContextHeeder)
	return ok && heeder.HeedsContexts()
}

// meter counts and times what every storage can do.
type meter struct {
	storage s3lect.Storage
	metrics *Metrics
}

func (s *meter) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	defer s.metrics.stored("get", time.Now(), &err)
	return s.storage.Get(ctx, key)
}

func (s *meter) PutIfMatch(ctx context.Context, key string, data []byte, etag string) (err error) {
	defer s.metrics.stored("put", time.Now(), &err)
	return s.storage.PutIfMatch(ctx, key, data, etag)
}

type putMeter struct {
	putter  s3lect.ETagPutter
	metrics *Metrics
}

func (s putMeter) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (newETag string, err error) {
	defer s.metrics.stored("put", time.Now(), &err)
	return s.putter.PutIfMatchETag(ctx, key, data, etag)
}

type createMeter struct {
	creator s3lect.Creator
	metrics *Metrics
}

func (s createMeter) GetOrCreate(ctx context.Context, key string, data []byte, ttl time.Duration) (current []byte, created bool, err error) {
	defer s.metrics.stored("get_or_create", time.Now(), &err)
	return s.creator.GetOrCreate(ctx, key, data, ttl)
}

// stored counts a call that began at the given time and ends with the error, or with a panic.
func (m *Metrics) stored(operation string, began time.Time, err *error) {
	fault := recover() //nolint:revive // it is itself deferred
	result := "panic"
	if fault == nil {
		result = resultOf(*err)
	}
	m.storage.WithLabelValues(operation, result).Inc()
	m.storeDuration.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	if fault != nil {
		panic(fault)
	}
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, s3lect.ErrStorageNotFound):
		return "not_found"
	case errors.Is(err, s3lect.ErrStoragePrecondition):
		return "precondition"
	case errors.Is(err, s3lect.ErrStorageThrottled):
		return "throttled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "error"
}
