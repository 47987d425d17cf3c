package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func TestALeaderThatWakesUpLateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := transcript.New()
		require.NoError(t, run(t.Context(), nil, out))
		assert.Equal(t, `first: write with term 1: done
first: leadership of term 1 has ended: lease expired without a confirmed renewal
second: write with term 2: done
first: write with term 1: refused: a leader of a higher term has written already (2)
`, out.String())
	})
}

func TestAnInterruptEndsTheStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out, ended := transcript.New(), make(chan error)
		go func() { ended <- run(ctx, nil, out) }()
		require.NoError(t, out.Await(ctx, "first: leadership of term 1 has ended"))
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestTheLedgerKeepsWhatTheHighestTermWrote(t *testing.T) {
	l := &ledger{memory.New(), "ledger.json"}
	require.NoError(t, l.write(t.Context(), 2, "two"))
	require.NoError(t, l.write(t.Context(), 2, "two again"))
	require.ErrorIs(t, l.write(t.Context(), 1, "one"), errFenced)
	e, _, err := l.read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, entry{Term: 2, Text: "two again"}, e)
	require.NoError(t, l.write(t.Context(), 3, "three"))
}
