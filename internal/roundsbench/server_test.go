package roundsbench

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/serve"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

// system is whose rounds are won.
const system = "billing"

// answerTimeout is the default of the command.
const answerTimeout = 5 * time.Second

// serveRounds starts a server as the command does, with its log and its metrics. It returns the
// address.
func serveRounds(tb testing.TB, storage s3lect.Storage) (address string) {
	tb.Helper()
	metrics, log := serve.NewMetrics(), newLog()
	storage = metrics.Storage(storage)
	r, err := rounds.New(storage, rounds.Options{})
	require.NoError(tb, err)
	return start(tb, storage, metrics, log, func(func(*http.Request) error) (http.Handler, error) {
		return rounds.NewHandler(r, rounds.HandlerOptions{
			Timeout: answerTimeout, Logger: log,
			Observe: func(o rounds.Outcome) { metrics.Observe(o.Operation, o.Result, o.Duration) },
		})
	})
}

// newLog is written like that of the command, to nowhere.
func newLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, nil)) //nolint:sloglint // a handler that discards costs nothing
}

// start serves any handler of the API with the same server.
func start(tb testing.TB, storage s3lect.Storage, metrics *serve.Metrics, log *slog.Logger, api func(authorize func(*http.Request) error) (http.Handler, error)) string {
	tb.Helper()
	server, err := serve.New(serve.Options{
		NewAPI: api, Storage: storage, ProbeKey: "ready", Metrics: metrics,
		RequestTimeout: answerTimeout, MaxConnections: 4096, Drain: answerTimeout, Log: log,
	})
	require.NoError(tb, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	ctx, end := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	tb.Cleanup(func() {
		end()
		require.NoError(tb, <-ended)
	})
	return listener.Addr().String()
}
