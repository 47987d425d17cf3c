package arena

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestEveryFaultButNoneDisturbsSomething looks at what each leaves behind: requests that fail or are slow, processes that
// are others, clocks that are wrong, leases that differ, an empty bucket.
func TestEveryFaultButNoneDisturbsSomething(t *testing.T) {
	const lease = 15 * time.Second
	for _, f := range Faults() {
		t.Run(f.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, nodes, candidates := toys(t)
				defer a.Close()
				for i, n := range nodes {
					f.Prepare(n)
					candidates[i].leads.Store(true)
				}
				before := len(candidates)
				_, err := put(t.Context(), nodes[0], "one", "")
				assert.NoError(t, err)
				trouble := 0
				stop := make(chan struct{})
				go func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						case <-time.After(time.Second):
						}
						n := a.Nodes()[0]
						began := time.Now()
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						_, etag, err := get(ctx, n)
						if err == nil {
							_, err = put(ctx, n, time.Now().String(), etag)
						}
						cancel()
						if err != nil || time.Since(began) > 200*time.Millisecond {
							trouble++
						}
					}
				}()
				f.Rage(a, lease, 30*lease)
				close(stop)
				synctest.Wait()
				_, there := a.bucket.look("/arena/key")
				disturbed := trouble > 0 || len(candidates) > before || nodes[0].rate != 1 || nodes[1].rate != 1 ||
					nodes[0].Offset() != 0 || nodes[1].Offset() != 0 || f.Leases != nil || !there
				assert.Equal(t, f.Name != "none", disturbed)
				for _, n := range a.Nodes() {
					storage, peers := n.ways()
					assert.True(t, n.Alive() && !n.frozen() && storage == open && peers == open, "all trouble ends")
				}
			})
		})
	}
}
