package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// network is one in memory, for fake time.
type network struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newNetwork() *network {
	n := &network{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.close = sync.OnceFunc(func() { close(n.closed) })
	return n
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.close()
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case n.conns <- from{far}:
		return near, nil
	case <-n.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// from gives a pipe the address of a client.
type from struct{ net.Conn }

func (from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 7} }

// logLines is a log.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// with returns the lines that contain the text.
func (l *logLines) with(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(strings.Split(l.text.String(), "\n"), func(line string) bool { return !strings.Contains(line, text) })
}

// fixture is a server with a client.
type fixture struct {
	t       *testing.T
	server  *Server
	network *network
	client  *http.Client
	log     *logLines
	storage s3lect.Storage // as it was before it was metered
	stop    context.CancelFunc
	served  chan error
}

// start serves rounds on a storage in memory, unless change says otherwise.
func start(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, network: newNetwork(), log: &logLines{}, storage: memory.New(), served: make(chan error, 1)}
	options := f.options()
	if change != nil {
		change(&options)
	}
	f.storage = options.Storage
	options.Storage = options.Metrics.Storage(f.storage)
	var err error
	f.server, err = New(options)
	require.NoError(t, err)
	f.client = &http.Client{
		Transport:     &http.Transport{DialContext: f.network.dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	go func() { f.served <- f.server.Serve(ctx, f.network) }()
	t.Cleanup(f.client.CloseIdleConnections)
	return f
}

func (f *fixture) options() Options {
	metrics := NewMetrics()
	options := Options{
		Storage: f.storage, ProbeKey: "rounds/!ready", Metrics: metrics,
		RequestTimeout: 5 * time.Second, MaxConnections: 16, Drain: 10 * time.Second,
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	options.NewAPI = func(authorize func(*http.Request) error) (http.Handler, error) {
		r, err := rounds.New(metrics.Storage(f.storage), rounds.Options{})
		if err != nil {
			return nil, err
		}
		return rounds.NewHandler(r, rounds.HandlerOptions{
			Authorize: authorize, Logger: options.Log,
			Observe: func(o rounds.Outcome) { metrics.Observe(o.Operation, o.Result, o.Duration) },
		})
	}
	return options
}

// elector is one on the fixture's storage that is not started.
func elector(t *testing.T, storage s3lect.Storage, id string) *s3lect.S3Elector {
	t.Helper()
	e, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config:  &s3lect.ElectorConfig{LockfilePath: "leader.json", ServerID: id, ServerAddr: id + ":1", InfrequentInterval: 5 * time.Second},
		Storage: storage, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return e
}

// withSidecar contests under the ID "me".
func withSidecar(t *testing.T) func(*Options) {
	t.Helper()
	return func(o *Options) { o.Elector = elector(t, o.Storage, "me") }
}

// end stops the server and returns what it says.
func (f *fixture) end() error {
	f.stop()
	return <-f.served
}

// reply is an answer that was read.
type reply struct {
	*http.Response

	body string
}

func (f *fixture) ask(method, path string, headers ...string) reply {
	f.t.Helper()
	got, err := f.try(method, path, headers...)
	require.NoError(f.t, err)
	return got
}

func (f *fixture) try(method, path string, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(f.t.Context(), method, "http://server"+path, http.NoBody)
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp, string(body)}, err
}

func (f *fixture) get(path string) reply {
	f.t.Helper()
	return f.ask(http.MethodGet, path)
}

// stream opens one, and returns what is read from it line by line.
func (f *fixture) stream() (lines *bufio.Reader, hangUp func()) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, "http://server/leader/watch", http.NoBody)
	require.NoError(f.t, err)
	resp, err := f.client.Do(req) //nolint:bodyclose // by hangUp, or with the server
	require.NoError(f.t, err)
	require.Equal(f.t, http.StatusOK, resp.StatusCode)
	assert.Equal(f.t, "text/event-stream", resp.Header.Get("Content-Type"))
	return bufio.NewReader(resp.Body), func() { assert.NoError(f.t, resp.Body.Close()) }
}

// dial opens a connection on which the test speaks by itself.
func (f *fixture) dial() net.Conn {
	f.t.Helper()
	conn, err := f.network.dial(f.t.Context(), "", "")
	require.NoError(f.t, err)
	return conn
}

// storageFunc is a storage whose reads a test answers.
type storageFunc struct {
	s3lect.Storage

	get func(ctx context.Context, key string) ([]byte, string, error)
}

func (s *storageFunc) Get(ctx context.Context, key string) ([]byte, string, error) {
	return s.get(ctx, key)
}
