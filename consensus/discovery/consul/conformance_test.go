package consul

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/discoverytest"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/cut"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

func TestConformsWithAFakeHeldToRecordedExchanges(t *testing.T) {
	discoverytest.Run(t, func(t *testing.T) discoverytest.Directory {
		t.Helper()
		return agentDirectory(t, newFakeAgent(t).address(), "raft")
	})
}

func TestConformsWithAnAgentOfConsul(t *testing.T) {
	agent := startAgent(t, "")
	var clusters atomic.Int32
	discoverytest.Run(t, func(t *testing.T) discoverytest.Directory {
		t.Helper()
		return agentDirectory(t, agent, fmt.Sprint("raft", clusters.Add(1)))
	})
}

// agentDirectory is a service on an agent, over a wire that can be cut.
func agentDirectory(t *testing.T, agent, service string) discoverytest.Directory {
	t.Helper()
	wire, end := cut.New(t, agent)
	set := map[string]bool{}
	return discoverytest.Directory{
		New: func(t *testing.T, logger *slog.Logger) discovery.Discovery {
			t.Helper()
			return open(t, Options{Address: end, Service: service, TTL: time.Minute, Logger: logger})
		},
		Set: func(t *testing.T, nodes []discovery.Node) {
			t.Helper()
			gone := set
			set = map[string]bool{}
			for _, node := range nodes {
				set[node.ID] = true
				delete(gone, node.ID)
				put(t, agent, service, "node:"+node.ID, node, nil)
			}
			for id := range gone {
				ask(t, agent, []exchange{{Method: "PUT", Path: "/v1/agent/service/deregister/node:" + id}})
			}
		},
		Garble: func(t *testing.T, twice discovery.Node) []string {
			t.Helper()
			twice.Port++
			put(t, agent, service, "twice", twice, nil)
			put(t, agent, service, "portless", discovery.Node{ID: "p", Address: "a"}, nil)
			put(t, agent, service, "nameless", discovery.Node{Address: "a", Port: 1}, nil)
			put(t, agent, service, "undecided", discovery.Node{ID: "u", Address: "a", Port: 1}, map[string]string{"voter": "perhaps"})
			put(t, agent, service, "stranger", discovery.Node{ID: "s", Address: "a", Port: 1}, map[string]string{})
			put(t, agent, service, "wordy", discovery.Node{ID: "two words", Address: "a", Port: 1}, nil)
			return []string{"twice", "portless", "nameless", "undecided", "stranger", "wordy"}
		},
		Down:      func(*testing.T) { wire.Cut() },
		Up:        func(*testing.T) { wire.Mend() },
		Registers: true,
	}
}

// put registers an instance without a check; meta instead of what belongs to the node, unless it is nil.
func put(t *testing.T, agent, name, id string, node discovery.Node, meta map[string]string) {
	t.Helper()
	s := (&registration{source: &source{options: Options{Service: name}}, id: id, node: node}).service()
	if meta != nil {
		if len(meta) > 0 {
			meta[metaID] = node.ID
		}
		s.Meta = meta
	}
	body, err := json.Marshal(map[string]any{"ID": s.ID, "Name": s.Name, "Address": s.Address, "Port": s.Port, "Meta": s.Meta})
	require.NoError(t, err)
	answers := ask(t, agent, []exchange{{Method: "PUT", Path: "/v1/agent/service/register", Sent: string(body)}})
	require.Equal(t, 200, answers[0].Status, answers[0].Body)
}

// open creates a discovery that asks as often as the list changes.
func open(t *testing.T, options Options) discovery.Discovery {
	t.Helper()
	s, err := newSource(options)
	require.NoError(t, err)
	s.rate = time.Millisecond
	return directory.New(s, options.Logger)
}

func TestErrorsAreWithoutTheToken(t *testing.T) {
	const token = "3a5c-very-secret"
	for _, address := range []string{"127.0.0.1:1", newFakeAgent(t).address()} {
		d := open(t, Options{Address: address, Service: "raft", Token: token, Datacenter: "nowhere"})
		require.NoError(t, d.Start(t.Context()))
		_, err := d.GetNodes(t.Context())
		require.ErrorContains(t, err, address)
		require.NotContains(t, err.Error(), token)
		require.NoError(t, d.Stop(t.Context()))
	}
	_, err := New(Options{Address: "http://user:" + token + "@host:8500", Service: "raft"})
	require.ErrorContains(t, err, "address")
	require.NotContains(t, err.Error(), token)
	_, err = New(Options{Service: "raft", Token: token + "\n"})
	require.ErrorContains(t, err, "token")
	require.NotContains(t, err.Error(), token)
}
