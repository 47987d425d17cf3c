package discoverytest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

func failsWhenNotRunning(t *testing.T, f fixture) {
	t.Helper()
	d := f.create(t)
	everyMethodFails := func(when string) {
		_, err := d.GetNodes(t.Context())
		require.ErrorIs(t, err, discovery.ErrNotRunning, when)
		_, err = d.Watch(t.Context())
		require.ErrorIs(t, err, discovery.ErrNotRunning, when)
		require.ErrorIs(t, d.Register(t.Context(), f.Node("n1")), discovery.ErrNotRunning, when)
		require.ErrorIs(t, d.Unregister(t.Context(), "n1"), discovery.ErrNotRunning, when)
	}
	everyMethodFails("before Start")
	require.NoError(t, d.Start(t.Context()))
	require.NoError(t, d.Stop(t.Context()))
	everyMethodFails("after Stop")
}

func startsOnce(t *testing.T, f fixture) {
	t.Helper()
	d := f.create(t)
	require.NoError(t, d.Stop(t.Context()), "nothing has begun")
	require.NoError(t, d.Start(t.Context()))
	require.Error(t, d.Start(t.Context()))
	f.Set(t, f.nodes("n1"))
	listed(t, d, f.nodes("n1"))
	require.NoError(t, d.Stop(t.Context()))
	require.NoError(t, d.Stop(t.Context()))
}

func startsAgain(t *testing.T, f fixture) {
	t.Helper()
	f.Set(t, f.nodes("n1"))
	d := f.start(t)
	listed(t, d, f.nodes("n1"))
	require.NoError(t, d.Stop(t.Context()))
	require.NoError(t, d.Start(t.Context()))
	listed(t, d, f.nodes("n1"))
}

func watchEndsWithContext(t *testing.T, f fixture) {
	t.Helper()
	f.Set(t, f.nodes("n1"))
	d := f.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	ending, err := d.Watch(ctx)
	require.NoError(t, err)
	staying, err := d.Watch(t.Context())
	require.NoError(t, err)
	received(t, ending, f.nodes("n1"))
	received(t, staying, f.nodes("n1"))
	cancel()
	closed(t, ending)
	f.Set(t, f.nodes("n1", "n2"))
	received(t, staying, f.nodes("n1", "n2"))
}

func watchEndsWithStop(t *testing.T, f fixture) {
	t.Helper()
	f.Set(t, f.nodes("n1"))
	d := f.start(t)
	read, err := d.Watch(t.Context())
	require.NoError(t, err)
	_, err = d.Watch(t.Context()) // nobody reads this one
	require.NoError(t, err)
	received(t, read, f.nodes("n1"))
	require.NoError(t, d.Stop(t.Context()))
	closed(t, read)
}

func cancelledCallsFail(t *testing.T, f fixture) {
	t.Helper()
	d := f.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f.Down != nil { // asks somebody else, and has to give up
		f.Down(t)
		defer f.Up(t)
		_, err := d.GetNodes(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	if f.Registers {
		require.ErrorIs(t, d.Register(ctx, f.Node("n1")), context.Canceled)
		require.ErrorIs(t, d.Unregister(ctx, "n1"), context.Canceled)
	}
	lists, err := d.Watch(ctx)
	require.NoError(t, err)
	closed(t, lists)
}

func stopDuringOutage(t *testing.T, f fixture) {
	t.Helper()
	if f.Down == nil {
		t.Skip("cannot be down")
	}
	f.Set(t, f.nodes("n1"))
	d := f.start(t)
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	received(t, lists, f.nodes("n1"))
	f.Down(t)
	defer f.Up(t)
	asked := make(chan error, 1)
	go func() {
		for {
			if _, err := d.GetNodes(t.Context()); err != nil {
				asked <- err
				return
			}
		}
	}()
	began := time.Now()
	require.NoError(t, d.Stop(t.Context()))
	assert.Less(t, time.Since(began), patience)
	closed(t, lists)
	assert.Error(t, <-asked)
}

func stopsConcurrently(t *testing.T, f fixture) {
	t.Helper()
	d := f.start(t)
	if f.Registers {
		require.NoError(t, d.Register(t.Context(), f.Node("n1")))
	}
	stopped := make(chan error, 2)
	for range 2 {
		go func() { stopped <- d.Stop(t.Context()) }()
	}
	assert.NoError(t, <-stopped)
	assert.NoError(t, <-stopped)
}
