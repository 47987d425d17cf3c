package rounds_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// deaf does not heed contexts: a call returns when it is let.
type deaf struct {
	s3lect.Storage
	release chan struct{}
}

func (d *deaf) Get(ctx context.Context, key string) ([]byte, string, error) {
	<-d.release
	return d.Storage.Get(context.WithoutCancel(ctx), key)
}

func TestAStorageThatDoesNotHeedContextsDoesNotHoldUpAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &deaf{memory.New(), make(chan struct{})}
		handler, err := rounds.NewHandler(newRounds(t, store), rounds.HandlerOptions{Timeout: 5 * time.Second})
		require.NoError(t, err)
		answered := make(chan int, 1)
		go func() {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/elect/billing/1", http.NoBody))
			answered <- w.Code
		}()
		select {
		case status := <-answered:
			assert.Equal(t, http.StatusInternalServerError, status)
		case <-time.After(time.Minute):
			t.Error("no answer within a minute, with a time limit of 5s")
		}
		close(store.release)
	})
}

func TestAnAnonymousClaimSurvivesAReadOfGarbage(t *testing.T) {
	store := &garbled{faulty: faulty{Storage: memory.New(), after: context.DeadlineExceeded}, at: 2}
	r := newRounds(t, store)
	_, _, err := r.Elect(t.Context(), "billing", "1", anon)
	require.Error(t, err, "the claim has landed, and the look at it shows garbage")
	assert.True(t, elect(t, r, "1", anon), "nobody was told that the claim has won")
}

// garbled answers one read with bytes that are no record.
type garbled struct {
	faulty
	at, gets int
}

func (g *garbled) Get(ctx context.Context, key string) ([]byte, string, error) {
	g.gets++
	if g.gets == g.at {
		return []byte("<html>busy</html>"), "x", nil
	}
	return g.faulty.Get(ctx, key)
}

func TestLosersWhoHangUpDoNotDisplaceAnUndecidedClaim(t *testing.T) {
	store := &faulty{Storage: memory.New()}
	ctx, cancel := context.WithCancel(t.Context())
	r := newRounds(t, &cancelling{store, cancel})
	_, _, err := r.Elect(ctx, "billing", "1", anon)
	require.ErrorIs(t, err, rounds.ErrUndecided)

	// A thousand others have lost that round for certain, and hang up before they are told.
	for i := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		leaving := &hangUp{store.Storage, cancel}
		store.set(func(f *faulty) { f.Storage = leaving })
		won, _, _ := r.Elect(ctx, "billing", "1", rounds.Candidate{Address: fmt.Sprint(i)})
		store.set(func(f *faulty) { f.Storage = leaving.Storage })
		require.False(t, won)
	}
	assert.True(t, elect(t, r, "1", anon), "nobody was told that the claim has won")
}

// hangUp ends the caller's context while it is being answered.
type hangUp struct {
	s3lect.Storage
	cancel func()
}

func (h *hangUp) Get(ctx context.Context, key string) ([]byte, string, error) {
	defer h.cancel()
	return h.Storage.Get(context.WithoutCancel(ctx), key)
}

func TestPruneDoesNotRemoveACompletionOfMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &busy{keyed: newKeyed()}
		store.r = newRounds(t, store)
		for i := range 40 {
			elect(t, store.r, fmt.Sprint(i), ann)
			time.Sleep(time.Second) // of fake time
		}
		elect(t, store.r, "long-job", ann)
		time.Sleep(2 * time.Hour)
		elect(t, store.r, "latest", ann)

		_, err := store.r.Prune(t.Context(), time.Hour, rounds.PruneOptions{})
		require.NoError(t, err)
		require.NoError(t, store.err, "the job was told that its completion is recorded")
		state, err := store.r.Completed(t.Context(), "billing", "long-job")
		require.NoError(t, err)
		assert.NotNil(t, state.Completed, "and it is recorded no more")
	})
}

// busy has a long job completed when a prune has looked at all rounds and begins to remove the oldest.
type busy struct {
	*keyed
	r    *rounds.Rounds
	once sync.Once
	err  error
}

func (b *busy) Delete(ctx context.Context, key string) error {
	b.once.Do(func() { _, b.err = b.r.Complete(ctx, "billing", "long-job", ann) })
	return b.keyed.Delete(ctx, key)
}

func TestPruneOutlivesAReadThatFailsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newKeyed()
		for i := range 100 {
			elect(t, newRounds(t, store), fmt.Sprint(i), ann)
			time.Sleep(time.Second) // of fake time
		}
		time.Sleep(2 * time.Hour)
		var fails sync.Once
		r := newRounds(t, &stumbling{keyed: store, fails: &fails})
		result, err := r.Prune(t.Context(), time.Hour, rounds.PruneOptions{})
		require.NoError(t, err, "one request in a hundred thousand is lost on any network")
		assert.Equal(t, rounds.PruneResult{Removed: 99, Kept: 1}, result)
	})
}

// stumbling fails to read once.
type stumbling struct {
	*keyed
	fails *sync.Once
}

func (s *stumbling) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	s.fails.Do(func() { err = errors.New("connection reset by peer") })
	if err != nil {
		return nil, "", err
	}
	return s.keyed.Get(ctx, key)
}
