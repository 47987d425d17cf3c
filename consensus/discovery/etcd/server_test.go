package etcd

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/freeport"
)

// server is an etcd with one member.
type server struct {
	binary    string
	arguments []string
	address   string
	command   *exec.Cmd
}

// startServer runs etcd with a data directory and ports of its own, which a restart keeps.
func startServer(t *testing.T) *server {
	t.Helper()
	s := newServer(t, "http")
	s.start(t)
	s.ready(t, clientv3.Config{})
	return s
}

func newServer(t *testing.T, scheme string, arguments ...string) *server {
	t.Helper()
	s := &server{binary: findServer(t), address: freeport.Address(t)}
	clientURL, peerURL := scheme+"://"+s.address, "http://"+freeport.Address(t)
	s.arguments = append([]string{
		"--name=m1", "--data-dir=" + t.TempDir(), "--logger=zap", "--log-level=error", "--unsafe-no-fsync",
		"--listen-client-urls=" + clientURL, "--advertise-client-urls=" + clientURL,
		"--listen-peer-urls=" + peerURL, "--initial-advertise-peer-urls=" + peerURL, "--initial-cluster=m1=" + peerURL,
		"--heartbeat-interval=20", "--election-timeout=200",
	}, arguments...)
	t.Cleanup(s.kill)
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.command = exec.Command(s.binary, s.arguments...)
	s.command.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH=")
	require.NoError(t, s.command.Start())
}

// kill ends the server without letting it say good-bye.
func (s *server) kill() {
	if s.command != nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
		s.command = nil
	}
}

// ready waits until the server answers.
func (s *server) ready(t *testing.T, config clientv3.Config) {
	t.Helper()
	client := s.client(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := client.Get(ctx, "ready")
	require.NoError(t, err)
	require.NoError(t, client.Close())
}

// client goes to the server directly.
func (s *server) client(t *testing.T, config clientv3.Config) *clientv3.Client {
	t.Helper()
	config.Endpoints, config.Logger, config.DialTimeout = []string{s.address}, zap.NewNop(), time.Minute
	client, err := clientv3.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func findServer(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"etcd", "/usr/bin/etcd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		require.Fail(t, "etcd is missing: install Debian's package etcd-server")
	}
	t.Skip("etcd is not installed; Debian has it in the package etcd-server")
	return ""
}

func TestServerIsTheOneThatTheDocumentationNames(t *testing.T) {
	output, err := exec.Command(findServer(t), "--version").Output()
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(output), "\n")
	t.Log(first)
	require.True(t, strings.HasPrefix(first, "etcd Version: 3."), first)
}
