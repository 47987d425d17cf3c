//go:build unix

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roundsServer is one "s3lect serve".
type roundsServer struct {
	program
	address string
	front   *proxy // from the clients
	back    *proxy // to the storage; nil if there can be none
}

// newRoundsServer prepares a server. It is not started.
func newRoundsServer(t *testing.T, binary, dir string, number int, s store) *roundsServer {
	t.Helper()
	address := freeAddress(t)
	server := &roundsServer{address: address, front: newProxy(t, address, asClient)}
	url, between := s.open(t)
	server.back = between
	id := fmt.Sprintf("server-%d", number)
	server.program = program{
		t: t, id: id, output: filepath.Join(dir, id+".log"), env: s.environ(),
		args: []string{
			binary, "serve", "--store", url, "--listen", address,
			"--request-timeout", answerTimeout.String(), "--log-level", "warn",
		},
	}
	t.Cleanup(server.cleanUp) // after the proxies' own, so before them
	return server
}

// start starts the server and waits until it serves.
func (s *roundsServer) start() {
	s.t.Helper()
	s.program.start()
	for deadline := time.Now().Add(time.Minute); !s.serves(); {
		require.True(s.t, time.Now().Before(deadline), "%s does not serve", s.id)
		<-time.After(tick)
	}
}

func (s *roundsServer) serves() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/healthz", http.NoBody)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// end asks the server to end, and expects that it does so in order.
func (s *roundsServer) end() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	require.NoError(s.t, s.wait(), s.id)
	s.cmd = nil
}
