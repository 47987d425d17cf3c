package kv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// The types of commands.
const (
	TypeSet            = "set"    // {"key": "k", "value": "v"}
	TypeDelete         = "delete" // {"key": "k"}
	TypeCompareAndSwap = "cas"    // {"key": "k", "old": "v" or null for a key that must not exist, "new": "w"}
)

// ErrBadCommand says that a command is none of this machine's. It has changed nothing.
var ErrBadCommand = errors.New("not a command of the key-value store")

// Set gives a key a value.
func Set(key, value string) consensus.Command {
	return command(TypeSet, setData{Key: &key, Value: &value})
}

// Delete removes a key. One that is not there is no error.
func Delete(key string) consensus.Command {
	return command(TypeDelete, deleteData{Key: &key})
}

// CompareAndSwap gives a key a value if it has the old one, or, with nil, if there is no such key.
func CompareAndSwap(key string, old *string, value string) consensus.Command {
	return command(TypeCompareAndSwap, casData{Key: &key, Old: expected{value: old, named: true}, New: &value})
}

// The fields are pointers to tell what is missing from what is empty: a misspelt name must not write an empty value.
type (
	setData struct {
		Key   *string `json:"key"`
		Value *string `json:"value"`
	}
	deleteData struct {
		Key *string `json:"key"`
	}
	casData struct {
		Key *string  `json:"key"`
		Old expected `json:"old"`
		New *string  `json:"new"`
	}
)

// expected is a value, or null for none, which is not the same as not being named at all.
type expected struct {
	value *string
	named bool
}

func (e expected) MarshalJSON() ([]byte, error) { return json.Marshal(e.value) }

func (e *expected) UnmarshalJSON(data []byte) error {
	e.named = true
	return json.Unmarshal(data, &e.value)
}

func (e expected) matches(there Answer) bool {
	if e.value == nil {
		return !there.Found
	}
	return there.Found && there.Value == *e.value
}

func command(kind string, data any) consensus.Command {
	encoded, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings can always be written
	}
	return consensus.Command{Type: kind, Data: encoded}
}

// Apply is [Machine.ApplyResult] without the answer.
func (m *Machine) Apply(entry consensus.LogEntry) error {
	_, err := m.ApplyResult(entry)
	return err
}

// ApplyResult does what the command says and returns an [Answer], or an error that is ErrBadCommand.
func (m *Machine) ApplyResult(entry consensus.LogEntry) (any, error) {
	answer, err := m.apply(entry)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadCommand, entry.Type, err)
	}
	return answer, nil
}

func (m *Machine) apply(entry consensus.LogEntry) (Answer, error) {
	switch entry.Type {
	case TypeSet:
		var data setData
		if err := decode(entry.Data, &data); err != nil {
			return Answer{}, err
		}
		if err := check(data.Key, data.Value, "value"); err != nil {
			return Answer{}, err
		}
		return m.set(*data.Key, *data.Value, entry.Index), nil
	case TypeDelete:
		var data deleteData
		if err := decode(entry.Data, &data); err != nil {
			return Answer{}, err
		}
		if err := checkKey(data.Key); err != nil {
			return Answer{}, err
		}
		return m.delete(*data.Key), nil
	case TypeCompareAndSwap:
		var data casData
		if err := decode(entry.Data, &data); err != nil {
			return Answer{}, err
		}
		if err := check(data.Key, data.New, "new"); err != nil {
			return Answer{}, err
		}
		if !data.Old.named {
			return Answer{}, errors.New(`"old" is missing; null is for a key that must not exist`)
		}
		there := m.lookup(*data.Key)
		if !data.Old.matches(there) {
			return there, nil
		}
		answer := m.set(*data.Key, *data.New, entry.Index)
		answer.Swapped = true
		return answer, nil
	}
	return Answer{}, fmt.Errorf("the type is none of %s, %s, %s", TypeSet, TypeDelete, TypeCompareAndSwap)
}

func (m *Machine) set(key, value string, index uint64) Answer {
	tree, _, _ := m.tree.Load().Insert([]byte(key), item{value: value, version: index})
	m.tree.Store(tree)
	return Answer{Value: value, Found: true, Version: index}
}

func (m *Machine) delete(key string) Answer {
	gone := m.lookup(key)
	if gone.Found {
		tree, _, _ := m.tree.Load().Delete([]byte(key))
		m.tree.Store(tree)
	}
	return gone
}

// decode refuses what is not understood to the last byte.
func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("read the data: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read the data: something follows behind the JSON value")
	}
	return nil
}

func check(key, value *string, name string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if value == nil {
		return fmt.Errorf("%q is missing", name)
	}
	return nil
}

func checkKey(key *string) error {
	if key == nil || *key == "" {
		return errors.New(`"key" is missing or empty`)
	}
	return nil
}
