package consul

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// findConsul returns the command of Consul, or skips the test. Debian has no package of it, so that a machine that runs
// all tests may be without: the tests with recorded exchanges are there for it.
func findConsul(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("consul")
	if err != nil {
		t.Skip("consul is not installed: only what has been recorded of it is tested")
	}
	return path
}

func consulVersion(t *testing.T, binary string) string {
	t.Helper()
	output, err := exec.Command(binary, "version").Output()
	require.NoError(t, err)
	version, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimPrefix(version, "Consul v")
}

// startAgent runs a server in development mode, which keeps everything in memory, and returns the address of its HTTP API.
func startAgent(t *testing.T, configuration string) string {
	t.Helper()
	binary := findConsul(t)
	ports := freePorts(t, 3)
	file := filepath.Join(t.TempDir(), "agent.hcl")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil,
		"ports { http = %d server = %d serf_lan = %d serf_wan = -1 dns = -1 grpc = -1 grpc_tls = -1 }\n%s",
		ports[0], ports[1], ports[2], configuration), 0o600))
	command := exec.CommandContext(t.Context(), binary, "agent", "-dev", "-node=agent", "-log-level=error",
		"-bind=127.0.0.1", "-client=127.0.0.1", "-disable-host-node-id", "-config-file="+file)
	command.Env = append(os.Environ(), "CONSUL_HTTP_TOKEN=")
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Wait() }) // ended by then by its context

	address := fmt.Sprint("127.0.0.1:", ports[0])
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1/health/service/consul?passing", http.NoBody)
		require.NoError(t, err)
		request.Header.Set("X-Consul-Token", managementToken)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		// The server lists itself once it leads.
		return err == nil && response.StatusCode == http.StatusOK && len(body) > len("[]")
	}, time.Minute, 100*time.Millisecond)
	return address
}

// freePorts holds all of them until there are enough.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, 0, n)
	var held []net.Listener
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		held = append(held, listener)
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port) //nolint:errcheck // of a TCP socket
	}
	for _, listener := range held {
		require.NoError(t, listener.Close())
	}
	return ports
}
