// Package roundsbench races many clients for rounds over HTTP, on every storage, and measures how
// fast they are answered. Servers and clients are in one process; the storages are real.
package roundsbench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/internal/s3server"
	"github.com/seed-6dc909bb/s3lect/stores"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// place is where rounds are kept. Each call opens it once more, as another server would.
type place func(tb testing.TB) s3lect.Storage

// places are the storages, the fastest ones first.
var places = []struct {
	name string
	make func(tb testing.TB) place
}{
	{"memory", func(testing.TB) place {
		shared := memory.New()
		return func(testing.TB) s3lect.Storage { return shared }
	}},
	{"redis", func(tb testing.TB) place {
		tb.Helper()
		return at(redisserver.Start(tb).URL(nil))
	}},
	{"directory", func(tb testing.TB) place {
		tb.Helper()
		return at("file://" + tb.TempDir())
	}},
	{"versitygw", func(tb testing.TB) place {
		tb.Helper()
		server := s3server.Start(tb)
		server.Setenv(tb)
		return at(server.URL(server.NewBucket(tb)))
	}},
}

func at(url string) place {
	return func(tb testing.TB) s3lect.Storage {
		tb.Helper()
		storage, err := stores.Open(tb.Context(), url)
		require.NoError(tb, err)
		if closer, ok := storage.(interface{ Close() error }); ok {
			tb.Cleanup(func() { require.NoError(tb, closer.Close()) })
		}
		return storage
	}
}
