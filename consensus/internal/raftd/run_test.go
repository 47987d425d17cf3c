package raftd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// running is a node of a cluster of its own, in memory.
type running struct {
	url   string // of its API
	log   *lines
	stop  context.CancelFunc
	ended chan error
}

// alone returns options for a cluster of one.
func alone(change func(*Options)) Options {
	o := Options{
		ID: "n1", Join: false, Peers: []consensus.PeerConfig{{ID: "n1", Address: "127.0.0.1", Port: freePort()}},
		Store: "memory", API: "127.0.0.1:0",
		ElectionMin: 50 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	return o
}

// freePort is one that nobody has at the moment.
func freePort() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	address, _ := listener.Addr().(*net.TCPAddr)
	return address.Port
}

func run(t *testing.T, o Options) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{log: newLines(), stop: stop, ended: make(chan error, 1)}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	go func() { r.ended <- Run(ctx, o) }()
	t.Cleanup(func() { stop() })
	select {
	case r.url = <-r.log.url:
	case err := <-r.ended:
		require.NoError(t, err, r.log.String())
		require.Fail(t, "it has ended", r.log.String())
	}
	return r
}

func (r *running) client(t *testing.T, token string) *admin.Client {
	t.Helper()
	client, err := admin.NewClient(admin.ClientOptions{Servers: []string{r.url}, Token: token})
	require.NoError(t, err)
	return client
}

// lines are what a node logs, with the URL of its API taken out.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	url  chan string
}

func newLines() *lines { return &lines{url: make(chan string, 1)} }

var urlInLog = regexp.MustCompile(`the API is served.* url=(\S+)`)

func (l *lines) Write(line []byte) (int, error) {
	if found := urlInLog.FindSubmatch(line); found != nil {
		l.url <- string(found[1])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// apply has a command applied once there is a leader.
func apply(t *testing.T, client *admin.Client, command consensus.Command) {
	t.Helper()
	for {
		_, err := client.Apply(t.Context(), command)
		if err == nil || !consensus.IsRetryable(err) {
			require.NoError(t, err)
			return
		}
	}
}

func TestANodeAnswersUntilItIsToEnd(t *testing.T) {
	r := run(t, alone(nil))
	client := r.client(t, "")
	apply(t, client, kv.Set("a", "1"))
	value, err := client.Read(t.Context(), map[string]string{"get": "a"})
	require.NoError(t, err)
	assert.Contains(t, string(value), `"value":"1","found":true`)
	metrics, err := client.Metrics(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, metrics)
	_, err = client.Read(t.Context(), map[string]string{"got": "a"})
	assert.ErrorContains(t, err, kv.ErrBadQuery.Error())

	r.stop()
	require.NoError(t, <-r.ended, r.log.String())
	_, err = client.Status(t.Context())
	assert.ErrorAs(t, err, new(*admin.UnreachableError))
}

func TestWhatIsInForceIsSaidAtTheStart(t *testing.T) {
	r := run(t, alone(nil))
	r.stop()
	require.NoError(t, <-r.ended)
	for _, want := range []string{
		"node=n1", "address=127.0.0.1:", "store=memory", "transport=tcp", "tls=false", "credentials=none",
		`heartbeats="5ms to 10ms"`, `elections="after 50ms to 100ms"`, "lease=45ms", "NOTHING IS KEPT",
	} {
		assert.Contains(t, r.log.String(), want)
	}
}

func TestOnlyWhoHasATokenOfTheFileMayChangeThings(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("right\n"), 0o600))
	r := run(t, alone(func(o *Options) { o.TokenFile = tokens }))
	apply(t, r.client(t, "right"), kv.Set("a", "1"))
	for _, wrong := range []string{"", "wrong"} {
		_, err := r.client(t, wrong).Apply(t.Context(), kv.Set("a", "2"))
		var answer *admin.Error
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, http.StatusUnauthorized, answer.Status)
	}
	require.NoError(t, os.WriteFile(tokens, []byte("another\n"), 0o600))
	apply(t, r.client(t, "another"), kv.Set("a", "2"))
	_, err := r.client(t, "right").Apply(t.Context(), kv.Set("a", "3"))
	assert.Error(t, err)
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	address := listener.Addr().String()

	err = Run(t.Context(), alone(func(o *Options) { o.API = address }))
	require.ErrorContains(t, err, "--api "+address)
	assert.ErrorContains(t, err, "address already in use")

	port := listener.Addr().(*net.TCPAddr).Port //nolint:errcheck // of a listener on TCP
	err = Run(t.Context(), alone(func(o *Options) { o.Peers[0].Port = port }))
	require.ErrorContains(t, err, address)
	assert.ErrorContains(t, err, "address already in use")
}

func TestOptionsThatContradictEachOtherAreErrorsOfTheConfiguration(t *testing.T) {
	assert.ErrorIs(t, Run(t.Context(), alone(func(o *Options) { o.ID = "" })), consensus.ErrConfig)
	assert.ErrorIs(t, Run(t.Context(), alone(func(o *Options) { o.ElectionMax = time.Millisecond })), consensus.ErrConfig)
}

func TestWhoEndsANodeBeforeItRunsIsTheReason(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the operator wants so")
	cancel(why)
	assert.ErrorIs(t, Run(ctx, alone(nil)), why)
}

func TestANodeThatStopsByItselfEndsTheRun(t *testing.T) {
	o := alone(nil)
	o.Logger = slog.New(slog.DiscardHandler)
	d, err := newDaemon(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, d.start(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.serve(t.Context()) }()
	client, err := admin.NewClient(admin.ClientOptions{Servers: []string{d.apiURL}})
	require.NoError(t, err)
	apply(t, client, kv.Set("a", "1"))

	require.NoError(t, d.closers[len(d.closers)-1].Close(), "the storage, which was opened last")
	_, err = client.Apply(t.Context(), kv.Set("a", "2"))
	require.Error(t, err)
	err = <-ended
	require.ErrorIs(t, err, consensus.ErrStorageUnavailable)
	assert.ErrorContains(t, err, "the node has stopped by itself")
	_, err = client.Status(t.Context())
	assert.ErrorAs(t, err, new(*admin.UnreachableError))
}

func TestAPageOfAnotherSiteDoesNotReachAnAPIWithoutAGuard(t *testing.T) {
	r := run(t, alone(nil))
	apply(t, r.client(t, ""), kv.Set("a", "1"))
	for host, status := range map[string]int{
		"": http.StatusOK, "localhost": http.StatusOK, "localhost:8001": http.StatusOK, "[::1]:8001": http.StatusOK, "[::1]": http.StatusOK,
		"evil.example": http.StatusForbidden, "evil.example:8001": http.StatusForbidden, "127.0.0.1.evil.example": http.StatusForbidden,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/read", strings.NewReader(`{"query":{"get":"a"}}`))
		require.NoError(t, err)
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, status, answer.StatusCode, "%q", host)
	}
}
