// Package kv is a state machine that maps keys to values: what raftd serves, and what the tests and benchmarks of the
// consensus module drive.
//
//	machine := kv.New()
//	node, err := consensus.New(consensus.WithStateMachine(machine), ...)
//	...
//	result, err := node.ApplyResult(ctx, kv.Set("color", "green"))
//	answer := result.Value.(kv.Answer)
//	value, err := node.Read(ctx, kv.Get{Key: "color"}) // a kv.Answer too
//
// Keys and values are strings of UTF-8, because they travel as JSON; keys are not empty. Each key has a version: the
// index in the log of the command that changed it last.
package kv

import (
	"sync/atomic"

	iradix "github.com/hashicorp/go-immutable-radix"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// Answer is what a command, and [Get], are answered with.
type Answer struct {
	// Value is the key's value: after a set or a compare-and-swap that swapped the new one, after a delete the one that is gone,
	// otherwise the one that is there.
	Value string `json:"value"`
	// Found says that there is, or for a delete was, such a key.
	Found bool `json:"found"`
	// Version is the index in the log of the change that gave Value.
	Version uint64 `json:"version"`
	// Swapped says that a compare-and-swap has written; false for everything else.
	Swapped bool `json:"swapped"`
}

// Machine is the map. The zero value is not usable; see [New].
type Machine struct {
	// tree is never changed, only replaced: whoever has loaded it can read it for as long as it likes, while commands go on.
	// A snapshot is one such tree.
	tree atomic.Pointer[iradix.Tree]
}

var _ consensus.ResultMachine = (*Machine)(nil)

// item is what the tree holds for a key.
type item struct {
	value   string
	version uint64
}

// New returns an empty map.
func New() *Machine {
	m := &Machine{}
	m.tree.Store(iradix.New())
	return m
}

// Len is the number of keys.
func (m *Machine) Len() int { return m.tree.Load().Len() }

func (m *Machine) lookup(key string) Answer {
	if found, ok := itemOf(m.tree.Load().Get([]byte(key))); ok {
		return Answer{Value: found.value, Found: true, Version: found.version}
	}
	return Answer{}
}

func itemOf(value any, ok bool) (item, bool) {
	if !ok {
		return item{}, false
	}
	found, isItem := value.(item)
	return found, isItem
}
