package transporttest

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Leaks has every kind of call be made between two nodes, closes both and looks for goroutines of the transport that are
// left. It must not run at the same time as other tests.
func Leaks(t *testing.T, s Suite) {
	t.Helper()
	f := newFixture(t, s)
	before := running()
	a, b := f.open(t, "a").answer(agree), f.open(t, "b").answer(agree)
	for _, call := range everyCall(a, b.id, b.LocalAddr()) {
		require.NoError(t, call())
	}
	_, err := a.install(b.id, b.LocalAddr(), 1<<20, newRandom(1<<20))
	require.NoError(t, err)
	p := a.pipeline(t, b) // which nobody closes
	require.NotNil(t, p)
	silent := dialRaw(t, b) // in the course of saying who it is
	require.NotNil(t, silent)
	require.Greater(t, running(), before)

	a.close(t)
	b.close(t)
	assert.Eventually(t, func() bool { return running() <= before }, soon, 5*time.Millisecond, "what is left:\n%s", stacks())
}

func stacks() string {
	b := make([]byte, 4<<20)
	return string(b[:runtime.Stack(b, true)])
}

// running counts the goroutines that a transport, or a library below it, has begun.
func running() int {
	count := 0
	for stack := range strings.SplitSeq(stacks(), "\n\n") {
		if i := strings.LastIndex(stack, "created by "); i >= 0 {
			creator := stack[i:]
			if strings.Contains(creator, "/consensus/transport/") && !strings.Contains(creator, "transporttest") ||
				strings.Contains(creator, "google.golang.org/grpc") || strings.Contains(stack, "/consensus/transport/tcp.") ||
				strings.Contains(stack, "/consensus/transport/grpc.") || strings.Contains(stack, "internal/endpoint.") {
				count++
			}
		}
	}
	return count
}
