//go:build unix

package e2e

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// given are the ports of this run's servers.
var given sync.Map

// freeAddress returns a loopback address that nobody listens at, outside of the range from which the system takes the ports
// of connections and of other tests' servers: it must still be free when a server is started, and started again. No address
// is returned twice.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := 15000 + rand.IntN(15000)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		require.NoError(t, listener.Close())
		if _, taken := given.LoadOrStore(port, true); !taken {
			return address
		}
	}
	require.FailNow(t, "there is no free port")
	return ""
}
