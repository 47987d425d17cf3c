//go:build unix

package e2e

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/filelock"
	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/internal/s3server"
)

// store is what servers of rounds share, and how it is brought to a standstill.
type store struct {
	// open returns the URL for one more server, and the proxy that is in the way of that; nil if
	// there can be none.
	open  func(t *testing.T) (url string, between *proxy)
	stall func(t *testing.T) (release func())
	env   []string
}

// roundsStores are the storages that several processes can share.
var roundsStores = map[string]func(t *testing.T) store{
	"redis":     redisStore,
	"versitygw": versitygwStore,
	"directory": directoryStore,
}

func redisStore(t *testing.T) store {
	t.Helper()
	server := redisserver.Start(t)
	return store{
		open: func(t *testing.T) (string, *proxy) {
			t.Helper()
			between := newProxy(t, server.Address)
			return "redis://" + between.address(), between
		},
		stall: func(t *testing.T) func() {
			t.Helper()
			server.Stall(t)
			return func() { server.Continue(t) }
		},
	}
}

func versitygwStore(t *testing.T) store {
	t.Helper()
	server := s3server.Start(t)
	bucket := server.NewBucket(t)
	upstream, err := url.Parse(server.Endpoint)
	require.NoError(t, err)
	return store{
		open: func(t *testing.T) (string, *proxy) {
			t.Helper()
			between := newProxy(t, upstream.Host)
			return s3server.URL(bucket, between.url()), between
		},
		stall: func(t *testing.T) func() {
			t.Helper()
			require.NoError(t, server.Process.Signal(syscall.SIGSTOP))
			return func() { require.NoError(t, server.Process.Signal(syscall.SIGCONT)) }
		},
		env: server.Environ(),
	}
}

// directoryStore stalls as if a writer were frozen in the moment in which it holds the lock.
func directoryStore(t *testing.T) store {
	t.Helper()
	dir := t.TempDir()
	return store{
		open: func(*testing.T) (string, *proxy) { return "file://" + dir, nil },
		stall: func(t *testing.T) func() {
			t.Helper()
			name := filepath.Join(dir, ".s3lect", "lock")
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o777))
			file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
			require.NoError(t, err)
			require.NoError(t, filelock.Lock(context.Background(), file))
			return func() { require.NoError(t, file.Close()) }
		},
	}
}

// environ is that of a server's process.
func (s store) environ() []string {
	env := []string{"GORACE=atexit_sleep_ms=0"}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "S3LECT_") {
			env = append(env, variable)
		}
	}
	return append(env, s.env...)
}
