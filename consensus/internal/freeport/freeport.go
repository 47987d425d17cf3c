// Package freeport finds ports for servers of tests.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	mu    sync.Mutex
	given = map[int]bool{}
)

// Address returns a loopback address that nobody listens at, outside of the range from which the system takes the ports of
// connections: it must still be free when a server is started again. No address is returned twice.
func Address(tb testing.TB) string {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := 15000 + rand.IntN(15000) //nolint:gosec // it protects nothing
		if given[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		listener, err := net.Listen("tcp", address) //nolint:noctx // listening takes no time
		if err != nil {
			continue
		}
		require.NoError(tb, listener.Close())
		given[port] = true
		return address
	}
	require.FailNow(tb, "there is no free port")
	return ""
}
