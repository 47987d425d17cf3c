package kv_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// log applies commands as a node does, from index 1 on.
type log struct {
	*kv.Machine
	t     *testing.T
	index uint64
}

func newLog(t *testing.T) *log {
	t.Helper()
	return &log{Machine: kv.New(), t: t}
}

func (l *log) apply(command consensus.Command) kv.Answer {
	l.t.Helper()
	value, err := l.tryApply(command)
	require.NoError(l.t, err)
	answer, ok := value.(kv.Answer)
	require.True(l.t, ok, "%T", value)
	return answer
}

func (l *log) tryApply(command consensus.Command) (any, error) {
	l.index++
	return l.ApplyResult(consensus.LogEntry{Index: l.index, Type: command.Type, Data: command.Data})
}

func (l *log) query(query any) any {
	l.t.Helper()
	answer, err := l.Query(query)
	require.NoError(l.t, err)
	return answer
}

func (l *log) get(key string) kv.Answer {
	l.t.Helper()
	answer, ok := l.query(kv.Get{Key: key}).(kv.Answer)
	require.True(l.t, ok)
	return answer
}

func TestWhatIsSetIsFoundWithTheIndexOfItsChange(t *testing.T) {
	l := newLog(t)
	assert.Equal(t, kv.Answer{}, l.get("a"))
	assert.Equal(t, kv.Answer{Value: "1", Found: true, Version: 1}, l.apply(kv.Set("a", "1")))
	assert.Equal(t, kv.Answer{Value: "", Found: true, Version: 2}, l.apply(kv.Set("b", "")))
	assert.Equal(t, kv.Answer{Value: "1", Found: true, Version: 1}, l.get("a"))
	assert.Equal(t, kv.Answer{Found: true, Version: 2}, l.get("b"))
	assert.Equal(t, 2, l.Len())
}

func TestDeleteAnswersWhatIsGone(t *testing.T) {
	l := newLog(t)
	l.apply(kv.Set("a", "1"))
	assert.Equal(t, kv.Answer{Value: "1", Found: true, Version: 1}, l.apply(kv.Delete("a")))
	assert.Equal(t, kv.Answer{}, l.get("a"))
	assert.Equal(t, kv.Answer{}, l.apply(kv.Delete("a")), "there is nothing to delete any more")
}

func TestCompareAndSwapWritesOnlyWhereTheOldValueIsThere(t *testing.T) {
	l := newLog(t)
	one, empty := "1", ""
	assert.Equal(t, kv.Answer{}, l.apply(kv.CompareAndSwap("a", &one, "2")), "no such key")
	assert.Equal(t, kv.Answer{}, l.apply(kv.CompareAndSwap("a", &empty, "2")), "none is not the same as empty")
	assert.Equal(t, kv.Answer{Value: "1", Found: true, Version: 3, Swapped: true}, l.apply(kv.CompareAndSwap("a", nil, "1")))
	assert.Equal(t, kv.Answer{Value: "1", Found: true, Version: 3}, l.apply(kv.CompareAndSwap("a", nil, "2")), "it exists")
	assert.Equal(t, kv.Answer{Value: "2", Found: true, Version: 5, Swapped: true}, l.apply(kv.CompareAndSwap("a", &one, "2")))
	assert.Equal(t, kv.Answer{Value: "2", Found: true, Version: 5}, l.apply(kv.CompareAndSwap("a", &one, "3")))
	assert.Equal(t, kv.Answer{Value: "2", Found: true, Version: 5}, l.get("a"))
}

func TestCommandsAreTheJSONThatIsDocumented(t *testing.T) {
	one := "1"
	for command, want := range map[*consensus.Command]string{
		ptr(kv.Set("k", "<v>")):                `{"key":"k","value":"<v>"}`,
		ptr(kv.Delete("k")):                    `{"key":"k"}`,
		ptr(kv.CompareAndSwap("k", &one, "2")): `{"key":"k","old":"1","new":"2"}`,
		ptr(kv.CompareAndSwap("k", nil, "2")):  `{"key":"k","old":null,"new":"2"}`,
	} {
		assert.JSONEq(t, want, string(command.Data), command.Type)
	}
}

func ptr[T any](v T) *T { return &v }

func TestACommandThatIsNotUnderstoodChangesNothing(t *testing.T) {
	for name, command := range map[string]consensus.Command{
		"unknown type":          {Type: "incr", Data: []byte(`{"key":"a"}`)},
		"no data":               {Type: kv.TypeSet},
		"not JSON":              {Type: kv.TypeSet, Data: []byte(`a=1`)},
		"no key":                {Type: kv.TypeSet, Data: []byte(`{"value":"2"}`)},
		"empty key":             kv.Set("", "2"),
		"no value":              {Type: kv.TypeSet, Data: []byte(`{"key":"a"}`)},
		"null value":            {Type: kv.TypeSet, Data: []byte(`{"key":"a","value":null}`)},
		"misspelt field":        {Type: kv.TypeSet, Data: []byte(`{"key":"a","value":"2","ttl":1}`)},
		"two values":            {Type: kv.TypeSet, Data: []byte(`{"key":"a","value":"2"}{}`)},
		"delete without key":    {Type: kv.TypeDelete, Data: []byte(`{}`)},
		"delete, not JSON":      {Type: kv.TypeDelete, Data: []byte(`{`)},
		"cas without old":       {Type: kv.TypeCompareAndSwap, Data: []byte(`{"key":"a","new":"2"}`)},
		"cas without new":       {Type: kv.TypeCompareAndSwap, Data: []byte(`{"key":"a","old":"1"}`)},
		"cas with number":       {Type: kv.TypeCompareAndSwap, Data: []byte(`{"key":"a","old":1,"new":"2"}`)},
		"type in other letters": {Type: "SET", Data: []byte(`{"key":"a","value":"2"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.apply(kv.Set("a", "1"))
			answer, err := l.tryApply(command)
			assert.Nil(t, answer)
			require.ErrorIs(t, err, kv.ErrBadCommand)
			assert.Contains(t, err.Error(), command.Type)
			assert.Equal(t, kv.Answer{Value: "1", Found: true, Version: 1}, l.get("a"))
			assert.Equal(t, 1, l.Len())
			assert.ErrorIs(t, l.Apply(consensus.LogEntry{Index: 9, Type: command.Type, Data: command.Data}), kv.ErrBadCommand)
		})
	}
}

func TestQueriesAsJSONAreAnsweredLikeTheOthers(t *testing.T) {
	l := newLog(t)
	l.apply(kv.Set("a/1", "x"))
	l.apply(kv.Set("a/2", "y"))
	assert.Equal(t, l.get("a/1"), l.query(json.RawMessage(`{"get":"a/1"}`)))
	assert.Equal(t, l.query(kv.List{Prefix: "a/", Limit: 1}), l.query(json.RawMessage(`{"list":"a/","limit":1}`)))
	assert.Equal(t, l.query(kv.List{After: "a/1"}), l.query(json.RawMessage(`{"list":"","after":"a/1"}`)))
	for _, bad := range []string{``, `{}`, `{"get":"a","list":"b"}`, `{"got":"a"}`, `{"get":""}`, `{"get":"a","limit":1}`, `{"list":"","limit":-1}`, `"a"`, `{"get":"a"} x`} {
		_, err := l.Query(json.RawMessage(bad))
		assert.ErrorIs(t, err, kv.ErrBadQuery, bad)
	}
	_, err := l.Query("a")
	assert.ErrorIs(t, err, kv.ErrBadQuery)
}
