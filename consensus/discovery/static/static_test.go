package static_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/discoverytest"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/static"
)

func TestConforms(t *testing.T) {
	discoverytest.Run(t, func(*testing.T) discoverytest.Directory {
		var (
			mu    sync.Mutex
			list  []discovery.Node
			lists []*static.Discovery
		)
		return discoverytest.Directory{
			New: func(t *testing.T, _ *slog.Logger) discovery.Discovery {
				t.Helper()
				mu.Lock()
				defer mu.Unlock()
				d, err := static.New(list...)
				require.NoError(t, err)
				lists = append(lists, d)
				return d
			},
			Set: func(t *testing.T, nodes []discovery.Node) {
				t.Helper()
				mu.Lock()
				defer mu.Unlock()
				list = nodes
				for _, d := range lists {
					require.NoError(t, d.Update(nodes))
				}
			},
		}
	})
}

func TestImpossibleListsAreRefusedAndChangeNothing(t *testing.T) {
	n1 := discovery.Node{ID: "n1", Address: "10.0.0.1", Port: 7000}
	d, err := static.New(n1)
	require.NoError(t, err)
	require.NoError(t, d.Start(t.Context()))
	defer func() { assert.NoError(t, d.Stop(t.Context())) }()

	many := make([]discovery.Node, 257)
	for i := range many {
		many[i] = discovery.Node{ID: fmt.Sprint("n", i), Address: "a", Port: 1}
	}
	for _, test := range []struct {
		nodes []discovery.Node
		names string
	}{
		{[]discovery.Node{n1, {ID: "n1", Address: "10.0.0.2", Port: 7000}}, "node n1 is listed twice"},
		{[]discovery.Node{n1, {ID: "n2", Address: "10.0.0.2", Port: 70000}}, "node 2 of the list: node n2: port 70000"},
		{[]discovery.Node{n1, {Address: "10.0.0.2", Port: 7000}}, "node 2 of the list: node ID is empty"},
		{many, "257 nodes"},
	} {
		assert.ErrorContains(t, d.Update(test.nodes), test.names)
		_, err := static.New(test.nodes...)
		assert.ErrorContains(t, err, test.names)
	}
	nodes, err := d.GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{n1}, nodes)
}

func TestUpdateTakesACopy(t *testing.T) {
	nodes := []discovery.Node{{ID: "n1", Address: "10.0.0.1", Port: 7000, Tags: map[string]string{"zone": "a"}}}
	d, err := static.New(nodes...)
	require.NoError(t, err)
	require.NoError(t, d.Start(t.Context()))
	defer func() { assert.NoError(t, d.Stop(t.Context())) }()
	nodes[0].Tags["zone"] = "b"
	nodes[0].ID = "n2"
	listed, err := d.GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{{ID: "n1", Address: "10.0.0.1", Port: 7000, Tags: map[string]string{"zone": "a"}}}, listed)
}

func Example() {
	ctx := context.Background()
	nodes, err := static.New(discovery.Node{ID: "n1", Address: "10.0.0.1", Port: 7000, Voter: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := nodes.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer nodes.Stop(ctx) //nolint:errcheck // there is nothing that could fail

	lists, err := nodes.Watch(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(<-lists))
	err = nodes.Update([]discovery.Node{
		{ID: "n1", Address: "10.0.0.1", Port: 7000, Voter: true},
		{ID: "n2", Address: "10.0.0.2", Port: 7000, Voter: true},
	})
	fmt.Println(len(<-lists), err)
	// Output:
	// 1
	// 2 <nil>
}
