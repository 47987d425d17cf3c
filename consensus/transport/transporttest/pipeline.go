package transporttest

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (n *node) pipeline(t *testing.T, to *node) raft.AppendPipeline {
	t.Helper()
	p, err := n.AppendEntriesPipeline(to.id, to.LocalAddr())
	require.NoError(t, err)
	t.Cleanup(func() { within(t, soon, "Close of the pipeline", func() { _ = p.Close() }) })
	return p
}

func pipelineOrder(t *testing.T, f *fixture) {
	t.Helper()
	const messages = 500
	a, b := f.open(t, "a"), f.open(t, "b")
	var got []uint64
	b.answer(func(rpc raft.RPC) {
		got = append(got, appendOf(rpc).Term)
		agree(rpc)
	})
	p := a.pipeline(t, b)
	sent := make(chan error, 1)
	go func() {
		for term := uint64(1); term <= messages; term++ {
			if _, err := p.AppendEntries(entries(term, int(term%5), 100), new(raft.AppendEntriesResponse)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for term := uint64(1); term <= messages; term++ {
		ready := <-p.Consumer()
		require.NoError(t, ready.Error())
		require.Equal(t, term, ready.Request().Term)
		require.Equal(t, term, ready.Response().Term)
		require.False(t, ready.Start().IsZero())
	}
	require.NoError(t, <-sent)
	b.close(t)
	for i, term := range got {
		require.EqualValues(t, i+1, term)
	}
}

// pipelineBackpressure lets a few requests through while the follower is stuck, and the others as it takes them.
func pipelineBackpressure(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	p := a.pipeline(t, b)
	sent := make(chan uint64, 100)
	go func() {
		defer close(sent)
		for term := uint64(1); term <= 20; term++ {
			if _, err := p.AppendEntries(entries(term, 1, 1), new(raft.AppendEntriesResponse)); err != nil {
				return
			}
			sent <- term
		}
	}()
	first := <-b.Consumer()
	settle := time.NewTimer(Timeout / 5)
	<-settle.C
	assert.LessOrEqual(t, len(sent), 8, "the sender is not held back")
	agree(first)
	b.answer(agree)
	for range 20 {
		require.NoError(t, (<-p.Consumer()).Error())
	}
	for range sent {
	}
}

// pipelineUnread has nobody take the answers, as it is when the engine has stopped listening and sends once more.
func pipelineUnread(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(agree)
	p := a.pipeline(t, b)
	within(t, 2*Timeout+soon, "AppendEntries", func() {
		var err error
		for range 20 {
			if _, err = p.AppendEntries(entries(1, 1, 1), new(raft.AppendEntriesResponse)); err != nil {
				break
			}
		}
		assert.Error(t, err)
	})
}

func pipelineFails(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(func(rpc raft.RPC) { rpc.Respond(nil, errors.New("no")) })
	p := a.pipeline(t, b)
	first, err := p.AppendEntries(entries(1, 1, 1), new(raft.AppendEntriesResponse))
	require.NoError(t, err)
	require.EqualError(t, first.Error(), "no")
	assert.Same(t, first, <-p.Consumer())
	within(t, 2*Timeout+soon, "AppendEntries", func() {
		for {
			later, err := p.AppendEntries(entries(2, 1, 1), new(raft.AppendEntriesResponse))
			if err != nil {
				return
			}
			assert.Error(t, later.Error())
			<-p.Consumer()
		}
	})
}

func pipelineClose(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b") // b's engine is stuck
	p := a.pipeline(t, b)
	var flying []raft.AppendFuture
	for range 2 {
		future, err := p.AppendEntries(entries(1, 1, 1), new(raft.AppendEntriesResponse))
		require.NoError(t, err)
		flying = append(flying, future)
	}
	blocked := make(chan error, 1)
	go func() {
		_, err := p.AppendEntries(entries(1, 1, 1), new(raft.AppendEntriesResponse))
		blocked <- err
	}()
	within(t, soon, "Close of the pipeline", func() { _ = p.Close() })
	for _, future := range flying {
		within(t, soon, "a request in flight", func() { assert.Error(t, future.Error()) })
	}
	require.Error(t, <-blocked)
	_, err := p.AppendEntries(entries(1, 1, 1), new(raft.AppendEntriesResponse))
	require.ErrorIs(t, err, raft.ErrPipelineShutdown)
}
