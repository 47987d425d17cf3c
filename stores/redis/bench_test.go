package redis_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
)

// BenchmarkOneRequest compares the calls of a storage with the bare command that does least, SET NX,
// through the same client library. "cancellable" calls have a context that can end, as all calls of
// electors and servers have, and pay for a goroutine.
func BenchmarkOneRequest(b *testing.B) {
	server := redisserver.Start(b)
	body := make([]byte, 200)
	s := open(b, server.URL(nil))
	bare := server.Client(b)
	cancellable, cancel := context.WithCancel(b.Context())
	defer cancel()
	plain := context.Background()

	var keys atomic.Int64
	fresh := func() string { return "k" + strconv.FormatInt(keys.Add(1), 10) }
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"bare SET NX", func() error { return bare.SetNX(cancellable, fresh(), body, time.Minute).Err() }},
		{"GetOrCreate wins", func() error {
			_, _, err := s.GetOrCreate(cancellable, fresh(), body, time.Minute)
			return err
		}},
		{"GetOrCreate loses", func() error {
			_, _, err := s.GetOrCreate(cancellable, "lost", body, time.Hour)
			return err
		}},
		{"PutIfMatchETag creates", func() error {
			_, err := s.PutIfMatchETag(cancellable, fresh(), body, "")
			return err
		}},
		{"bare GETRANGE", func() error { return bare.GetRange(cancellable, "lost", 0, 1<<20).Err() }},
		{"Get", func() error { _, _, err := s.Get(cancellable, "lost"); return err }},
		{"Get uncancellable", func() error { _, _, err := s.Get(plain, "lost"); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+" in parallel", func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := c.call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
		require.NoError(b, bare.FlushDB(plain).Err())
		_, _, err := s.GetOrCreate(plain, "lost", body, time.Hour)
		require.NoError(b, err)
	}
}
