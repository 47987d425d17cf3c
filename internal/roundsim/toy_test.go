package roundsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

// toy is a service that does what a test wants of an election, and nothing else right.
type toy struct {
	elect func(ctx context.Context, round string, c rounds.Candidate) (bool, rounds.State, error)
}

func (e *toy) Elect(ctx context.Context, _, round string, c rounds.Candidate) (bool, rounds.State, error) {
	return e.elect(ctx, round, c)
}

func (*toy) Elected(context.Context, string, string) (rounds.State, error) {
	return rounds.State{}, rounds.ErrUndecided
}

func (*toy) Complete(context.Context, string, string, rounds.Candidate) (rounds.State, error) {
	return rounds.State{}, rounds.ErrUndecided
}

func (*toy) Completed(context.Context, string, string) (rounds.State, error) {
	return rounds.State{}, rounds.ErrUndecided
}

// judge runs a toy in the calm and returns the kinds of violations.
func judge(t *testing.T, elect func(storage s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error)) map[string]bool {
	t.Helper()
	kinds := map[string]bool{}
	r := runInBubble(t, Options{Seed: 1, Weather: weatherNamed(t, "calm"), New: func(storage s3lect.Storage, _ *env.Env) (Service, error) {
		return &toy{elect(storage)}, nil
	}})
	for _, v := range r.Violations {
		kinds[v.Kind] = true
	}
	assert.Contains(t, r.String(), "violations")
	return kinds
}

func TestServicesByWhichEverybodyWinsAreCaught(t *testing.T) {
	kinds := judge(t, func(s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
		return func(_ context.Context, _ string, c rounds.Candidate) (bool, rounds.State, error) {
			return true, rounds.State{Version: 1, Elected: &rounds.Event{ID: c.ID, Address: c.Address}}, nil
		}
	})
	assert.True(t, kinds[TwoWinners], kinds)
	assert.True(t, kinds[Order], kinds)
}

func TestServicesByWhichNobodyWinsAreCaught(t *testing.T) {
	kinds := judge(t, func(s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
		return func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
			return false, rounds.State{Version: 1, Elected: &rounds.Event{ID: "nobody"}}, nil
		}
	})
	assert.True(t, kinds[Order], kinds)
}

func TestServicesThatNeverAnswerAreCaught(t *testing.T) {
	kinds := judge(t, func(s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
		return func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
			return false, rounds.State{}, fmt.Errorf("now and always: %w", rounds.ErrUndecided)
		}
	})
	assert.True(t, kinds[Indefinite], kinds)
}

func TestServicesWithErrorsOfTheirOwnAreCaught(t *testing.T) {
	kinds := judge(t, func(s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
		return func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
			return false, rounds.State{}, errors.New("something went wrong")
		}
	})
	assert.True(t, kinds[WrongError], kinds)
}

func TestServicesThatSleepThroughTheEndOfTheirContextAreCaught(t *testing.T) {
	kinds := judge(t, func(s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
		return func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
			time.Sleep(10 * time.Second)
			return false, rounds.State{}, rounds.ErrUndecided
		}
	})
	assert.True(t, kinds[Slow], kinds)
}

func TestServicesThatNeverRestAreCaught(t *testing.T) {
	kinds := judge(t, func(storage s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
		return func(ctx context.Context, round string, _ rounds.Candidate) (bool, rounds.State, error) {
			for range 2 * mostRequests {
				_, _, _ = storage.Get(ctx, keyOf(round))
			}
			return false, rounds.State{}, rounds.ErrUndecided
		}
	})
	assert.True(t, kinds[HotLoop], kinds)
}

// TestServicesThatTakeARoundAwayAreCaught: the one who has won is told so, and then another one is.
func TestServicesThatTakeARoundAwayAreCaught(t *testing.T) {
	kinds := judge(t, func(storage s3lect.Storage) func(context.Context, string, rounds.Candidate) (bool, rounds.State, error) {
		return func(ctx context.Context, round string, c rounds.Candidate) (bool, rounds.State, error) {
			_, etag, _ := storage.Get(ctx, keyOf(round))
			state := rounds.State{System: system, Round: round, Version: 1, Elected: &rounds.Event{ID: c.ID, Address: c.Address, At: time.Now()}}
			data, err := json.Marshal(state)
			if err != nil || storage.PutIfMatch(ctx, keyOf(round), data, etag) != nil {
				return false, rounds.State{}, rounds.ErrUndecided
			}
			return true, state, nil
		}
	})
	assert.True(t, kinds[Overwritten], kinds)
	assert.True(t, kinds[TwoWinners], kinds)
}
