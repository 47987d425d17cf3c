package etcd

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/discoverytest"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/cut"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

func TestConformsWithARealServer(t *testing.T) {
	s := startServer(t)
	direct := s.client(t, clientv3.Config{})
	_, err := direct.Get(t.Context(), "connect")
	require.NoError(t, err)
	var clusters atomic.Int32
	discoverytest.Run(t, func(t *testing.T) discoverytest.Directory {
		t.Helper()
		prefix := fmt.Sprintf("/raft%d/", clusters.Add(1))
		wire, end := cut.New(t, s.address)
		put := func(t *testing.T, key, value string) {
			t.Helper()
			_, err := direct.Put(t.Context(), prefix+key, value)
			require.NoError(t, err)
		}
		set := map[string]bool{}
		return discoverytest.Directory{
			New: func(t *testing.T, logger *slog.Logger) discovery.Discovery {
				t.Helper()
				s, err := newSource(Options{Endpoints: []string{end}, Prefix: prefix, TTL: time.Minute})
				require.NoError(t, err)
				s.timeout = 2 * time.Second // requests wait for the end of outages that long
				return directory.New(s, logger)
			},
			Set: func(t *testing.T, nodes []discovery.Node) {
				t.Helper()
				gone := set
				set = map[string]bool{}
				for _, node := range nodes {
					set[node.ID] = true
					delete(gone, node.ID)
					put(t, node.ID, asJSON(t, node))
				}
				for id := range gone {
					_, err := direct.Delete(t.Context(), prefix+id)
					require.NoError(t, err)
				}
			},
			Garble: func(t *testing.T, twice discovery.Node) []string {
				t.Helper()
				put(t, "twice", asJSON(t, twice))
				put(t, "torn", `{"id":"torn","addr`)
				put(t, "list", `[]`)
				put(t, "text-port", `{"id":"text-port","address":"a","port":"7000"}`)
				put(t, "portless", `{"id":"portless","address":"a"}`)
				put(t, "placeless", `{"id":"placeless","port":7000}`)
				put(t, "two words", `{"id":"two words","address":"a","port":7000}`)
				put(t, "", `{"id":"","address":"a","port":7000}`)
				return []string{"twice", "torn", "list", "text-port", "portless", "placeless", "two words", "ID is empty"}
			},
			Down:      func(*testing.T) { wire.Cut() },
			Up:        func(*testing.T) { wire.Mend() },
			Registers: true,
		}
	})
}

func asJSON(t *testing.T, node discovery.Node) string {
	t.Helper()
	data, err := json.Marshal(node)
	require.NoError(t, err)
	return string(data)
}
