package discoverytest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

func impossibleNodesAreRefused(t *testing.T, f fixture) {
	t.Helper()
	d := f.start(t)
	assert.ErrorContains(t, d.Register(t.Context(), discovery.Node{Address: "a", Port: 1}), "ID is empty")
	assert.ErrorContains(t, d.Register(t.Context(), discovery.Node{ID: "n1", Address: "a"}), "port 0")
	assert.ErrorContains(t, d.Register(t.Context(), discovery.Node{ID: "n1", Address: "a b", Port: 1}), "a b")
	assert.ErrorContains(t, d.Unregister(t.Context(), ""), "ID is empty")
}

func registers(t *testing.T, f fixture) {
	t.Helper()
	d := f.start(t)
	if !f.Registers { // taken without doing anything
		f.Set(t, f.nodes("n1"))
		require.NoError(t, d.Register(t.Context(), f.Node("n2")))
		require.NoError(t, d.Unregister(t.Context(), "n1"))
		require.NoError(t, d.Unregister(t.Context(), "n2"))
		require.NoError(t, d.Unregister(t.Context(), "nobody"))
		listed(t, d, f.nodes("n1"))
		return
	}
	other := f.start(t)
	lists, err := other.Watch(t.Context())
	require.NoError(t, err)
	received(t, lists, f.nodes())
	require.NoError(t, d.Register(t.Context(), f.Node("n1")))
	received(t, lists, f.nodes("n1"))
	require.NoError(t, d.Register(t.Context(), f.Node("n2")))
	received(t, lists, f.nodes("n1", "n2"))
	require.NoError(t, d.Unregister(t.Context(), "n1"))
	received(t, lists, f.nodes("n2"))
	require.NoError(t, d.Unregister(t.Context(), "n1"), "not there any more")
	require.NoError(t, d.Unregister(t.Context(), "nobody"))
	require.NoError(t, other.Unregister(t.Context(), "nobody"))
	silent(t, lists)
}

func registersAgain(t *testing.T, f fixture) {
	t.Helper()
	if !f.Registers {
		t.Skip("does not register")
	}
	d := f.start(t)
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	received(t, lists, f.nodes())
	node := f.Node("n1")
	require.NoError(t, d.Register(t.Context(), node))
	received(t, lists, []discovery.Node{node})

	// The same again changes nothing, and a change never makes the node vanish on the way.
	require.NoError(t, d.Register(t.Context(), node))
	changed := discovery.Node{ID: "n1", Address: "::1", Port: 7001}
	require.NoError(t, d.Register(t.Context(), changed))
	received(t, lists, []discovery.Node{changed}, []discovery.Node{node})
	require.NoError(t, d.Unregister(t.Context(), "n1"))
	received(t, lists, f.nodes())
}

func stopWithdraws(t *testing.T, f fixture) {
	t.Helper()
	if !f.Registers {
		t.Skip("does not register")
	}
	other := f.start(t)
	lists, err := other.Watch(t.Context())
	require.NoError(t, err)
	received(t, lists, f.nodes())
	d := f.start(t)
	require.NoError(t, d.Register(t.Context(), f.Node("n1")))
	received(t, lists, f.nodes("n1"))
	require.NoError(t, d.Register(t.Context(), f.Node("n2")))
	received(t, lists, f.nodes("n1", "n2"))
	require.NoError(t, d.Stop(t.Context()))
	received(t, lists, f.nodes(), f.nodes("n1"), f.nodes("n2"))

	// What was registered before Stop is forgotten with it.
	require.NoError(t, d.Start(t.Context()))
	silent(t, lists)
}

func registersAfterOutage(t *testing.T, f fixture) {
	t.Helper()
	if !f.Registers || f.Down == nil {
		t.Skip("does not register, or cannot be down")
	}
	d := f.start(t)
	f.Down(t)
	require.Error(t, d.Register(t.Context(), f.Node("n1")))
	f.Up(t)
	listed(t, d, f.nodes("n1"))
}
