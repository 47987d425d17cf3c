package rounds_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

var (
	ann  = rounds.Candidate{ID: "ann", Address: "10.0.0.1"}
	bob  = rounds.Candidate{ID: "bob", Address: "10.0.0.2"}
	anon = rounds.Candidate{Address: "10.0.0.3"}
)

func newRounds(t *testing.T, storage s3lect.Storage) *rounds.Rounds {
	t.Helper()
	r, err := rounds.New(storage, rounds.Options{})
	require.NoError(t, err)
	return r
}

func elect(t *testing.T, r *rounds.Rounds, round string, c rounds.Candidate) bool {
	t.Helper()
	won, _, err := r.Elect(t.Context(), "billing", round, c)
	require.NoError(t, err)
	return won
}

func TestARoundIsWonOnceAndTheWinnerIsToldAgain(t *testing.T) {
	store := memory.New()
	r, other := newRounds(t, store), newRounds(t, store)
	assert.True(t, elect(t, r, "1", ann))
	assert.False(t, elect(t, r, "1", bob))
	assert.True(t, elect(t, other, "1", ann), "another server tells the winner, too")
	assert.True(t, elect(t, r, "2", bob), "the next round is open")

	state, err := r.Elected(t.Context(), "billing", "1")
	require.NoError(t, err)
	assert.Equal(t, "ann", state.Elected.ID)
	assert.Equal(t, "10.0.0.1", state.Elected.Address)
	assert.WithinDuration(t, time.Now(), state.Elected.At, time.Minute)
	assert.EqualValues(t, 1, state.Version)
	assert.Nil(t, state.Completed)
}

func TestSystemsDoNotDisturbEachOther(t *testing.T) {
	r := newRounds(t, memory.New())
	for _, system := range []string{"a", "A", "a.json", "b@c:d"} {
		won, state, err := r.Elect(t.Context(), system, "2026-11-21T08:00:00+01:00", bob)
		require.NoError(t, err)
		assert.True(t, won, system)
		assert.Equal(t, system, state.System)
		assert.Equal(t, "2026-11-21T08:00:00+01:00", state.Round)
	}
}

func TestAnAnonymousCandidateWinsByOneCallAlone(t *testing.T) {
	r := newRounds(t, memory.New())
	assert.True(t, elect(t, r, "1", anon))
	assert.False(t, elect(t, r, "1", anon), "many programs share an address")
	assert.False(t, elect(t, r, "1", ann))
}

func TestNobodyIsElectedBeforeSomebodyAsks(t *testing.T) {
	r := newRounds(t, memory.New())
	state, err := r.Elected(t.Context(), "billing", "1")
	require.NoError(t, err)
	assert.Equal(t, rounds.State{System: "billing", Round: "1"}, state)
	state, err = r.Completed(t.Context(), "billing", "1")
	require.NoError(t, err)
	assert.Nil(t, state.Completed)
}

func TestOnlyTheElectedOneCompletes(t *testing.T) {
	r := newRounds(t, memory.New())
	complete := func(c rounds.Candidate) (rounds.State, error) {
		return r.Complete(t.Context(), "billing", "1", c)
	}
	_, err := complete(ann)
	require.ErrorIs(t, err, rounds.ErrNotElected, "nobody is elected yet")
	assert.ErrorContains(t, err, "nobody has won the round yet")

	require.True(t, elect(t, r, "1", ann))
	for _, c := range []rounds.Candidate{bob, anon, {Address: ann.Address}} {
		state, err := complete(c)
		var refused *rounds.NotElectedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "ann", refused.Elected.ID)
		assert.Nil(t, state.Completed)
		assert.Equal(t, "ann", state.Elected.ID, "the state comes with the refusal")
	}
	for range 2 {
		state, err := complete(ann)
		require.NoError(t, err, "the second time is a success as well")
		assert.Equal(t, "ann", state.Completed.ID)
		assert.EqualValues(t, 2, state.Version)
	}
	state, err := r.Completed(t.Context(), "billing", "1")
	require.NoError(t, err)
	assert.Equal(t, "ann", state.Completed.ID)
	assert.Equal(t, "ann", state.Elected.ID)
}

func TestAnonymousCompletionsAreFirstComeFirstServed(t *testing.T) {
	r := newRounds(t, memory.New())
	require.True(t, elect(t, r, "1", anon))
	first, second := rounds.Candidate{Address: "10.0.0.8"}, rounds.Candidate{Address: "10.0.0.9"}
	for range 2 {
		_, err := r.Complete(t.Context(), "billing", "1", first)
		require.NoError(t, err)
	}
	_, err := r.Complete(t.Context(), "billing", "1", second)
	var refused *rounds.AlreadyCompletedError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, rounds.ErrAlreadyCompleted)
	assert.Equal(t, "10.0.0.8", refused.Completed.Address)
	_, err = r.Complete(t.Context(), "billing", "1", ann)
	require.ErrorIs(t, err, rounds.ErrNotElected, "an identity must have been elected")
}

func TestACompletionWithoutAnElectionLeavesTheRoundToBeWon(t *testing.T) {
	r := newRounds(t, memory.New())
	_, err := r.Complete(t.Context(), "billing", "1", anon)
	require.NoError(t, err)
	state, err := r.Elected(t.Context(), "billing", "1")
	require.NoError(t, err)
	assert.Nil(t, state.Elected)
	assert.True(t, elect(t, r, "1", ann))
	state, err = r.Completed(t.Context(), "billing", "1")
	require.NoError(t, err)
	assert.Equal(t, anon.Address, state.Completed.Address, "the completion is not lost")
	_, err = r.Complete(t.Context(), "billing", "1", ann)
	require.ErrorIs(t, err, rounds.ErrAlreadyCompleted)
}

func TestARaceHasOneWinner(t *testing.T) {
	for _, named := range []bool{true, false} {
		r := newRounds(t, memory.New())
		var winners atomic.Int32
		var racers sync.WaitGroup
		for i := range 200 {
			c := rounds.Candidate{Address: "10.0.0.1"}
			if named {
				c.ID = fmt.Sprint(i)
			}
			racers.Go(func() {
				won, state, err := r.Elect(t.Context(), "billing", "1", c)
				assert.NoError(t, err)
				assert.NotNil(t, state.Elected)
				if won {
					winners.Add(1)
				}
			})
		}
		racers.Wait()
		assert.EqualValues(t, 1, winners.Load())
	}
}

func TestIdentifiersThatCannotBeUsedAreNamed(t *testing.T) {
	r := newRounds(t, memory.New())
	for value, reason := range map[string]string{
		"":                       "is empty",
		".":                      "dots alone",
		"..":                     "dots alone",
		"a/b":                    `contains '/'`,
		`a\b`:                    `contains '\\'`,
		"a b":                    `contains ' '`,
		"a\x00":                  `contains '\x00'`,
		"ä":                      `contains 'ä'`,
		"a%2Fb":                  `contains '%'`,
		"\xff":                   "contains",
		strings.Repeat("a", 129): "at most 128",
	} {
		for _, call := range []func() error{
			func() error { _, _, err := r.Elect(t.Context(), value, "1", ann); return err },
			func() error { _, _, err := r.Elect(t.Context(), "billing", value, ann); return err },
			func() error { _, err := r.Elected(t.Context(), value, "1"); return err },
			func() error { _, err := r.Complete(t.Context(), "billing", value, ann); return err },
			func() error { _, err := r.Completed(t.Context(), value, "1"); return err },
		} {
			err := call()
			var bad *rounds.IdentifierError
			require.ErrorAs(t, err, &bad, "%q", value)
			require.ErrorIs(t, err, rounds.ErrIdentifier)
			assert.ErrorContains(t, err, reason)
		}
	}
	for _, c := range []rounds.Candidate{{}, {ID: " a"}, {ID: "a "}, {ID: "a\nb"}, {ID: "ä"}, {ID: strings.Repeat("a", 257)}, {ID: "a", Address: "\x1b[0m"}} {
		_, _, err := r.Elect(t.Context(), "billing", "1", c)
		require.ErrorIs(t, err, rounds.ErrIdentifier, "%q", c)
		_, err = r.Complete(t.Context(), "billing", "1", c)
		require.ErrorIs(t, err, rounds.ErrIdentifier, "%q", c)
	}
	assert.True(t, elect(t, r, strings.Repeat("r", 128), rounds.Candidate{ID: strings.Repeat("i", 256)}))
}

func TestWhatIsNoRecordOfTheRoundIsNeverOverwritten(t *testing.T) {
	for _, content := range []string{
		"", "no JSON", "[]", `{"version":"1"}`, `{"system":"billing","round":"1"}`,
		`{"system":"billing","round":"1","version":1}`,
		`{"system":"billing","round":"1","version":0,"elected":{"id":"x"}}`,
		`{"system":"billing","round":"1","version":1,"elected":{}}`,
		`{"system":"Billing","round":"1","version":1,"elected":{"id":"ann"}}`,
		`{"leaderID":"a","leaderAddr":"b","lastUpdated":"2026-01-01T00:00:00Z"}`,
		strings.Repeat(" ", 70<<10),
	} {
		store := memory.New()
		r := newRounds(t, store)
		require.NoError(t, store.PutIfMatch(t.Context(), "rounds/billing/1.json", []byte(content), ""))
		won, _, err := r.Elect(t.Context(), "billing", "1", ann)
		assert.False(t, won)
		var foreign *rounds.RecordError
		require.ErrorAs(t, err, &foreign, content)
		assert.Equal(t, "rounds/billing/1.json", foreign.Key)
		_, err = r.Complete(t.Context(), "billing", "1", anon)
		require.ErrorAs(t, err, &foreign, content)
		data, _, err := store.Get(t.Context(), "rounds/billing/1.json")
		require.NoError(t, err)
		assert.Equal(t, content, string(data))
	}
}

func TestOptionsThatCannotBeKeptAreRefused(t *testing.T) {
	_, err := rounds.New(nil, rounds.Options{})
	require.ErrorContains(t, err, "storage is nil")
	for _, prefix := range []string{"/", "a/", "/a", "a//b", "../a", "a b"} {
		_, err := rounds.New(memory.New(), rounds.Options{Prefix: prefix})
		assert.ErrorContains(t, err, "Prefix", prefix)
	}
	_, err = rounds.New(memory.New(), rounds.Options{Retention: time.Hour})
	require.ErrorContains(t, err, "do not expire by themselves")
	for _, short := range []time.Duration{-time.Hour, time.Second} {
		_, err = rounds.New(&creating{Storage: memory.New()}, rounds.Options{Retention: short})
		require.ErrorContains(t, err, "could be won twice")
	}
}

func TestThePrefixIsWhereRoundsAre(t *testing.T) {
	store := memory.New()
	r, err := rounds.New(store, rounds.Options{Prefix: "team/jobs"})
	require.NoError(t, err)
	_, _, err = r.Elect(t.Context(), "billing", "1", ann)
	require.NoError(t, err)
	data, _, err := store.Get(t.Context(), "team/jobs/billing/1.json")
	require.NoError(t, err)
	var state rounds.State
	require.NoError(t, json.Unmarshal(data, &state))
	assert.Equal(t, "ann", state.Elected.ID)
}

// creating is a storage with the capability Creator, which remembers what it was asked for.
type creating struct {
	*memory.Storage
	mu   sync.Mutex
	ttls []time.Duration
	fail func() error // what a call answers after its effect
}

func (c *creating) GetOrCreate(ctx context.Context, key string, data []byte, ttl time.Duration) ([]byte, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ttls = append(c.ttls, ttl)
	err := c.PutIfMatch(ctx, key, data, "")
	created := err == nil
	if c.fail != nil {
		if err := c.fail(); err != nil {
			return nil, false, err
		}
	}
	current, _, err := c.Get(ctx, key)
	return current, created, err
}

func TestOnACreatorEveryRoundIsMadeToExpire(t *testing.T) {
	store := &creating{Storage: memory.New()}
	r, err := rounds.New(store, rounds.Options{Retention: time.Hour})
	require.NoError(t, err)
	assert.True(t, elect(t, r, "1", ann))
	assert.False(t, elect(t, r, "1", bob))
	assert.True(t, elect(t, r, "1", ann))
	_, err = r.Complete(t.Context(), "billing", "2", anon) // makes the record, too
	require.NoError(t, err)
	assert.True(t, elect(t, r, "2", bob), "a record without an election is completed by it")
	assert.Equal(t, []time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}, store.ttls)
}

func TestOnACreatorWhoAsksForADecidedRoundOnlyLooks(t *testing.T) {
	store := &creating{Storage: memory.New()}
	r := newRounds(t, store)
	require.True(t, elect(t, r, "1", ann))
	require.False(t, elect(t, r, "1", bob))
	before := len(store.ttls)
	for range 3 {
		assert.False(t, elect(t, r, "1", bob))
		assert.True(t, elect(t, r, "1", ann))
		assert.False(t, elect(t, r, "1", anon))
	}
	assert.Len(t, store.ttls, before, "nothing was tried")
	require.NoError(t, store.Delete(t.Context(), "rounds/billing/1.json"))
	assert.True(t, elect(t, r, "1", bob), "what was pruned is not remembered")
	for i := range 15_000 {
		elect(t, r, fmt.Sprint("many-", i), ann)
		elect(t, r, fmt.Sprint("many-", i), bob)
	}
	assert.False(t, elect(t, r, "many-0", bob), "more than are remembered")
}

func TestAClaimWhoseAnswerIsLostOnACreatorIsFound(t *testing.T) {
	for _, c := range []rounds.Candidate{ann, anon} {
		store := &creating{Storage: memory.New(), fail: func() error { return errors.New("connection reset") }}
		assert.True(t, elect(t, newRounds(t, store), "1", c))
	}
}

// faulty is a storage whose calls can be made to fail, before or after they have had an effect.
type faulty struct {
	s3lect.Storage
	mu          sync.Mutex
	get, before error
	after       error
	hang        bool // writes have no effect until their context ends, and then they have
	puts        int
}

func (f *faulty) set(change func(*faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faulty) Get(ctx context.Context, key string) ([]byte, string, error) {
	f.mu.Lock()
	err := f.get
	f.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	return f.Storage.Get(ctx, key)
}

func (f *faulty) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	f.mu.Lock()
	before, after, hang := f.before, f.after, f.hang
	f.puts++
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
	if before != nil {
		return before
	}
	err := f.Storage.PutIfMatch(context.WithoutCancel(ctx), key, data, etag)
	if after != nil {
		return after
	}
	if hang {
		return ctx.Err()
	}
	return err
}

func TestAClaimWhoseAnswerIsLostIsReadBack(t *testing.T) {
	for _, lost := range []error{errors.New("connection reset"), s3lect.ErrStoragePrecondition, s3lect.ErrStorageThrottled, context.DeadlineExceeded} {
		for _, c := range []rounds.Candidate{ann, anon} {
			synctest.Test(t, func(t *testing.T) {
				store := &faulty{Storage: memory.New(), after: lost}
				r := newRounds(t, store)
				assert.True(t, elect(t, r, "1", c), "%v", lost)
				assert.False(t, elect(t, r, "1", bob), "%v", lost)
				_, err := r.Complete(t.Context(), "billing", "1", c)
				assert.NoError(t, err, "%v", lost)
				assert.Equal(t, 2, store.puts)
			})
		}
	}
}

func TestAHungWriteLeavesTimeToReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRounds(t, &faulty{Storage: memory.New(), hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		won, _, err := r.Elect(ctx, "billing", "1", anon)
		require.NoError(t, err)
		assert.True(t, won)
	})
}

func TestAnUndecidedClaimIsToldWhenTheCandidateAsksAgain(t *testing.T) {
	outage := errors.New("no route to host")
	for _, c := range []rounds.Candidate{ann, anon} {
		synctest.Test(t, func(t *testing.T) {
			store := &faulty{Storage: memory.New()}
			r := newRounds(t, store)
			// The claim lands, and neither its answer nor any look at it comes through.
			store.set(func(f *faulty) { f.hang = true })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _, err := r.Elect(ctx, "billing", "1", c)
			require.ErrorIs(t, err, rounds.ErrUndecided)
			require.ErrorIs(t, err, context.DeadlineExceeded)

			store.set(func(f *faulty) { f.hang, f.get = false, outage })
			_, _, err = r.Elect(t.Context(), "billing", "1", c)
			require.ErrorIs(t, err, rounds.ErrUndecided)
			require.ErrorIs(t, err, outage)

			store.set(func(f *faulty) { f.get = nil })
			assert.False(t, elect(t, r, "1", bob), "the claim had landed")
			assert.False(t, elect(t, r, "1", rounds.Candidate{Address: "10.9.9.9"}), "from another address")
			assert.True(t, elect(t, r, "1", c))
			assert.Equal(t, c.ID != "", elect(t, r, "1", c), "an anonymous claim is told once")
		})
	}
}

func TestAnUndecidedClaimThatNeverLandedIsMadeByTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Storage: memory.New(), before: errors.New("refused")}
		r := newRounds(t, store)
		_, _, err := r.Elect(t.Context(), "billing", "1", anon)
		require.ErrorIs(t, err, rounds.ErrUndecided)
		store.set(func(f *faulty) { f.before = nil })
		assert.True(t, elect(t, r, "1", anon))
		assert.False(t, elect(t, r, "1", anon))
	})
}

func TestTransientErrorsAreTriedAgainAndPermanentOnesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Storage: memory.New(), get: errors.New("no permission")}
		r := newRounds(t, store)
		began := time.Now()
		_, err := r.Elected(t.Context(), "billing", "1")
		require.ErrorContains(t, err, "no permission")
		assert.Less(t, time.Since(began), 3*time.Second, "also without a deadline")

		time.AfterFunc(50*time.Millisecond, func() { store.set(func(f *faulty) { f.get = nil }) })
		assert.True(t, elect(t, r, "1", ann), "the storage was away for a moment")
	})
}

func TestAKeyThatTheStorageRefusesIsABadIdentifier(t *testing.T) {
	store := &faulty{Storage: memory.New(), get: fmt.Errorf("no colons: %w", s3lect.ErrStorageKey)}
	_, _, err := newRounds(t, store).Elect(t.Context(), "billing", "08:00", ann)
	require.ErrorIs(t, err, rounds.ErrIdentifier)
	assert.ErrorContains(t, err, "no colons")
}

func TestACancelledCallEndsWithItsContext(t *testing.T) {
	r := newRounds(t, memory.New())
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the client has gone"))
	_, _, err := r.Elect(ctx, "billing", "1", ann)
	require.ErrorIs(t, err, rounds.ErrUndecided)
	assert.ErrorContains(t, err, "the client has gone")
}

// twoUndecided leaves two calls of anon's without an answer. The claim of the one that ended first
// never landed; that of the other one has won.
func twoUndecided(t *testing.T, store *faulty, r *rounds.Rounds) {
	t.Helper()
	ask := func() error {
		_, _, err := r.Elect(t.Context(), "billing", "1", anon)
		return err
	}
	store.set(func(f *faulty) { f.hang = true })
	var lands sync.WaitGroup
	lands.Go(func() { assert.ErrorIs(t, ask(), rounds.ErrUndecided) })
	synctest.Wait() // its claim is on the way, and lands late
	store.set(func(f *faulty) { f.hang, f.before = false, errors.New("refused") })
	require.ErrorIs(t, ask(), rounds.ErrUndecided)
	store.set(func(f *faulty) { f.before, f.get = nil, errors.New("away") })
	lands.Wait()
	store.set(func(f *faulty) { f.get = nil })
}

func TestWhicheverOfSeveralUndecidedClaimsHasWonIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Storage: memory.New()}
		r := newRounds(t, store)
		twoUndecided(t, store, r)
		assert.True(t, elect(t, r, "1", anon), "with the claim that never landed in its hands")
		assert.False(t, elect(t, r, "1", anon))
	})
}

// TestOfCallsThatStandInAtTheSameTimeOneIsTold: each has the claim of one that was undecided, in
// whatever order they are answered, and if one goes away its claim is the next one's.
func TestOfCallsThatStandInAtTheSameTimeOneIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		order []int // in which the two are answered; of the one that is missing the caller goes away
		told  []bool
		next  bool
	}{
		"the loser first":     {[]int{0, 1}, []bool{false, true}, false},
		"the winner first":    {[]int{1, 0}, []bool{false, true}, false},
		"the winner has gone": {[]int{0}, []bool{false, false}, true},
		"the loser has gone":  {[]int{1}, []bool{false, true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &faulty{Storage: memory.New()}
				r := newRounds(t, gated{store})
				twoUndecided(t, store, r)

				told, opens, cancels := make([]bool, 2), make([]chan struct{}, 2), make([]func(), 2)
				var calls sync.WaitGroup
				for i := range told {
					opens[i] = make(chan struct{})
					ctx, cancel := context.WithCancel(context.WithValue(t.Context(), gate{}, opens[i]))
					cancels[i] = cancel
					calls.Go(func() { told[i], _, _ = r.Elect(ctx, "billing", "1", anon) })
					synctest.Wait() // it waits at its gate
				}
				for _, i := range c.order {
					close(opens[i])
					synctest.Wait()
				}
				for i := range told {
					cancels[i]()
				}
				calls.Wait()
				assert.Equal(t, c.told, told)
				assert.Equal(t, c.next, elect(t, r, "1", anon))
				assert.False(t, elect(t, r, "1", anon), "and nobody after that")
			})
		})
	}
}

// gated holds reads back until the gate in their context opens.
type gated struct{ *faulty }

type gate struct{}

func (g gated) Get(ctx context.Context, key string) ([]byte, string, error) {
	if open, ok := ctx.Value(gate{}).(chan struct{}); ok {
		select {
		case <-open:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	return g.faulty.Get(ctx, key)
}

func TestAnAnonymousClaimThatNobodyWaitsForIsLeftToTheNext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	store := &faulty{Storage: memory.New()}
	r := newRounds(t, &cancelling{store, cancel})
	_, _, err := r.Elect(ctx, "billing", "1", anon)
	require.ErrorIs(t, err, rounds.ErrUndecided, "the client has gone while the claim was being written")
	assert.True(t, elect(t, r, "1", anon))
	assert.False(t, elect(t, r, "1", anon))
}

// cancelling ends the caller's context right after a write.
type cancelling struct {
	s3lect.Storage
	cancel func()
}

func (c *cancelling) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	defer c.cancel()
	return c.Storage.PutIfMatch(ctx, key, data, etag)
}

func TestAClaimOfAStorageThatPanicsIsNotLost(t *testing.T) {
	store := &panicking{Storage: memory.New(), panics: true}
	r := newRounds(t, store)
	assert.Panics(t, func() { _, _, _ = r.Elect(t.Context(), "billing", "1", anon) })
	store.panics = false
	assert.True(t, elect(t, r, "1", anon))
}

// panicking panics after a write has landed.
type panicking struct {
	s3lect.Storage
	panics bool
}

func (p *panicking) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	err := p.Storage.PutIfMatch(ctx, key, data, etag)
	if p.panics {
		panic("a mistake of the storage")
	}
	return err
}

// torn answers, once, the bytes of the version before with the ETag of the present one.
type torn struct {
	s3lect.Storage
	older []byte
}

func (s *torn) Get(ctx context.Context, key string) ([]byte, string, error) {
	data, etag, err := s.Storage.Get(ctx, key)
	if s.older != nil && err == nil {
		data, s.older = s.older, nil
	}
	return data, etag, err
}

func TestATornReadNeverUndoesAnElectionOrACompletion(t *testing.T) {
	const key = "rounds/billing/1.json"
	store := &torn{Storage: memory.New()}
	r := newRounds(t, store)
	_, err := r.Complete(t.Context(), "billing", "1", anon)
	require.NoError(t, err)
	completed, _, err := store.Get(t.Context(), key)
	require.NoError(t, err)
	require.True(t, elect(t, r, "1", ann))
	store.older = completed
	assert.False(t, elect(t, r, "1", bob), "the read showed nobody elected, with the ETag of ann's election")

	require.True(t, elect(t, r, "2", anon))
	elected, _, err := store.Get(t.Context(), "rounds/billing/2.json")
	require.NoError(t, err)
	_, err = r.Complete(t.Context(), "billing", "2", anon)
	require.NoError(t, err)
	store.older = elected
	_, err = r.Complete(t.Context(), "billing", "2", rounds.Candidate{Address: "10.9.9.9"})
	assert.ErrorIs(t, err, rounds.ErrAlreadyCompleted)
}

func BenchmarkElect(b *testing.B) {
	for name, c := range map[string]rounds.Candidate{"named": ann, "anonymous": anon} {
		b.Run("winner/"+name, func(b *testing.B) {
			r, err := rounds.New(memory.New(), rounds.Options{})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if won, _, err := r.Elect(b.Context(), "billing", rand.Text(), c); err != nil || !won {
					b.Fatal(won, err)
				}
			}
		})
	}
	b.Run("loser", func(b *testing.B) {
		r, err := rounds.New(memory.New(), rounds.Options{})
		require.NoError(b, err)
		if _, _, err := r.Elect(b.Context(), "billing", "1", ann); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if won, _, err := r.Elect(b.Context(), "billing", "1", bob); err != nil || won {
				b.Fatal(won, err)
			}
		}
	})
}
