//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// history is what clients have asked and been answered. It is judged by whether each key could have been a single
// register on one machine.
type history struct {
	mu         sync.Mutex
	began      time.Time
	operations []porcupine.Operation
	unknown    int
}

func newHistory() *history { return &history{began: time.Now()} }

// input is an operation on a register.
type input struct {
	kind, key string
	old       *string // of a compare-and-swap
	value     string
}

// output is its result. That of an unknown one could be any, at any time from when it was asked for.
type output struct {
	kv.Answer
	unknown bool
}

// record adds an operation unless it is certain that nothing has been done.
func (h *history) record(client int, in input, out kv.Answer, called time.Time, err error) {
	returned := time.Now()
	unknown := errors.Is(err, consensus.ErrUnknownOutcome)
	if err != nil && !unknown || unknown && in.kind == "get" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	operation := porcupine.Operation{
		ClientId: client, Input: in, Output: output{Answer: out, unknown: unknown},
		Call: called.Sub(h.began).Nanoseconds(), Return: returned.Sub(h.began).Nanoseconds(),
	}
	if unknown {
		operation.Return = math.MaxInt64
		h.unknown++
	}
	h.operations = append(h.operations, operation)
}

// judge fails the test if no single register behaves like that.
func (h *history) judge(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	result := porcupine.CheckOperationsTimeout(register, h.operations, patience)
	t.Logf("%d operations, %d of unknown outcome: %s", len(h.operations), h.unknown, result)
	require.Equal(t, porcupine.Ok, result)
}

// state is a key's.
type state struct {
	found bool
	value string
}

var register = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, operation := range all {
			key := inputOf(operation.Input).key
			byKey[key] = append(byKey[key], operation)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return state{} },
	Step: func(before, in, out any) (bool, any) {
		was, _ := before.(state)
		did, _ := out.(output)
		return step(was, inputOf(in), did)
	},
	Equal: func(a, b any) bool { return a == b },
}

func inputOf(in any) input {
	i, _ := in.(input)
	return i
}

func step(was state, in input, out output) (bool, any) {
	switch in.kind {
	case "get":
		return out.Found == was.found && out.Value == was.value, was
	case kv.TypeSet:
		return true, state{true, in.value}
	case kv.TypeCompareAndSwap:
		matches := was.found == (in.old != nil) && (in.old == nil || *in.old == was.value)
		if !matches {
			return out.unknown || !out.Swapped && out.Found == was.found && out.Value == was.value, was
		}
		return out.unknown || out.Swapped, state{true, in.value}
	}
	return false, was
}

func answerOf(encoded json.RawMessage, err error) (kv.Answer, error) {
	var answer kv.Answer
	if err == nil {
		err = json.Unmarshal(encoded, &answer)
	}
	return answer, err
}

func listingOf(encoded json.RawMessage, err error) (kv.Listing, error) {
	var listing kv.Listing
	if err == nil {
		err = json.Unmarshal(encoded, &listing)
	}
	return listing, err
}
