// Package redisserver runs real Redis servers for tests: a single one, a primary with a replica and
// a sentinel, and a cluster.
package redisserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/certs"
)

const (
	// binaryVariable names a server to be used in the place of the installed one.
	binaryVariable = "S3LECT_REDIS_SERVER"
	binaryName     = "redis-server"

	startTimeout = 30 * time.Second
	portAttempts = 5 // another process may take the port that was just found free
)

// Server is a running Redis server that lives as long as a test, unless the test ends it earlier.
type Server struct {
	// Address is its host and port, such as "127.0.0.1:34567".
	Address string
	// Process is the server's. It changes with Restart.
	Process *os.Process

	binary    string
	arguments []string
	dir       string
	password  string
	files     *Files // nil without TLS

	mu    sync.Mutex // guards Process and ended while the test goes on and its cleanup stops it
	ended chan struct{}
	said  *bytes.Buffer // to be read once ended is closed
}

// Files are those of the certificates that a server with TLS was started with, in PEM.
type Files struct {
	// CA is the authority of both certificates.
	CA string
	// ClientCert and ClientKey are for clients; the server demands them.
	ClientCert, ClientKey string

	serverCert, serverKey string
}

// Option changes how a server is started.
type Option func(*Server)

// WithPassword has the server want a password of its default user.
func WithPassword(password string) Option {
	return func(s *Server) {
		s.password = password
		s.arguments = append(s.arguments, "--requirepass", password)
	}
}

// WithArguments passes further arguments to the server. Without any it keeps nothing on disk.
func WithArguments(arguments ...string) Option {
	return func(s *Server) { s.arguments = append(s.arguments, arguments...) }
}

// WithDisk has the server keep everything it has acknowledged over a Restart.
func WithDisk() Option {
	return WithArguments("--appendonly", "yes", "--appendfsync", "always")
}

// WithTLS has the server speak TLS only, and verify clients.
func WithTLS(files *Files) Option {
	return func(s *Server) { s.files = files }
}

// NewFiles makes a certificate authority, and certificates for a server and a client of this machine.
func NewFiles(tb testing.TB) *Files {
	tb.Helper()
	made, err := certs.Make(certs.Options{Dir: tb.TempDir(), Names: []string{"server", "client"}})
	require.NoError(tb, err)
	server, client := made.Nodes[0], made.Nodes[1]
	return &Files{
		CA: made.CA.Cert, ClientCert: client.Cert, ClientKey: client.Key,
		serverCert: server.Cert, serverKey: server.Key,
	}
}

// Start starts a server on a free port of 127.0.0.1, with a directory of its own. Where there is no
// server on this machine the test is skipped, and fails if CI is "true".
func Start(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	binary, err := find()
	if err != nil {
		unavailable(tb, err)
	}
	for attempt := 1; ; attempt++ {
		s := &Server{binary: binary, dir: tb.TempDir()}
		s.arguments = []string{"--save", "", "--appendonly", "no"}
		for _, option := range options {
			option(s)
		}
		err := s.start(tb)
		if err == nil {
			return s
		}
		if attempt == portAttempts {
			require.NoError(tb, err)
		}
	}
}

func find() (string, error) {
	if path := os.Getenv(binaryVariable); path != "" {
		return path, nil
	}
	path, err := exec.LookPath(binaryName)
	if err != nil {
		return "", fmt.Errorf("install the package redis-server, or set %s: %w", binaryVariable, err)
	}
	return filepath.Abs(path)
}

func unavailable(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("no Redis server: %v", err)
	}
	tb.Skipf("no Redis server: %v", err)
}

// start takes a free port and runs the server there.
func (s *Server) start(tb testing.TB) error {
	tb.Helper()
	port := freePort(tb)
	s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s.arguments = append(s.arguments, "--bind", "127.0.0.1", "--dir", s.dir)
	if s.files == nil {
		s.arguments = append(s.arguments, "--port", strconv.Itoa(port))
	} else {
		s.arguments = append(s.arguments, "--port", "0", "--tls-port", strconv.Itoa(port),
			"--tls-cert-file", s.files.serverCert, "--tls-key-file", s.files.serverKey,
			"--tls-ca-cert-file", s.files.CA, "--tls-auth-clients", "yes")
	}
	tb.Cleanup(s.Kill)
	return s.run(tb)
}

// run starts the process and waits until it answers.
func (s *Server) run(tb testing.TB) error {
	tb.Helper()
	said, ended := &bytes.Buffer{}, make(chan struct{})
	// The test's context ends before its cleanups run, which still may need the server.
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), s.binary, s.arguments...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = endsWithItsThread()
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // which lives as long as the server, then
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the server is killed in any case; what it wrote says more
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", s.binary, err)
	}
	s.mu.Lock()
	s.Process, s.ended, s.said = cmd.Process, ended, said
	s.mu.Unlock()
	if err := s.awaitReady(tb.Context()); err != nil {
		s.Kill()
		return fmt.Errorf("%w; it wrote: %s", err, said)
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := goredis.NewClient(s.options())
	defer client.Close()
	for {
		if s.answers(ctx, client) {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready within %v", startTimeout)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// answers reports whether it is this server that answers, and no other one that took the port.
func (s *Server) answers(ctx context.Context, client *goredis.Client) bool {
	info, err := client.Info(ctx, "server").Result()
	return err == nil && strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", s.Process.Pid))
}

// Kill ends the server as a crash does, and waits for its end. A server that has ended already may
// be killed again.
func (s *Server) Kill() {
	s.mu.Lock()
	process, ended := s.Process, s.ended
	s.mu.Unlock()
	if process == nil {
		return // could not be started
	}
	_ = process.Kill() // also one that was stopped
	<-ended
}

// Restart starts a server again that was killed, with the same address and directory.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, s.run(tb))
}

// URL is that of the server, with further parameters.
func (s *Server) URL(parameters url.Values) string {
	return s.urlOf([]string{s.Address}, parameters)
}

func (s *Server) urlOf(addresses []string, parameters url.Values) string {
	query := url.Values{}
	for name, values := range parameters {
		query[name] = values
	}
	u := url.URL{Scheme: "redis", Host: addresses[0]}
	query["addr"] = addresses[1:]
	if s.password != "" {
		u.User = url.UserPassword("", s.password)
	}
	if s.files != nil {
		u.Scheme = "rediss"
		query.Set("ca_file", s.files.CA)
		query.Set("cert_file", s.files.ClientCert)
		query.Set("key_file", s.files.ClientKey)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// Client returns a client of the server for the test itself, which does not repeat anything.
func (s *Server) Client(tb testing.TB) *goredis.Client {
	tb.Helper()
	client := goredis.NewClient(s.options())
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func freePort(tb testing.TB) int {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	require.True(tb, ok)
	return address.Port
}
