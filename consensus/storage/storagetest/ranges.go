package storagetest

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

func rangeOf(t *testing.T, s storage.Storage, r storage.Range) []string {
	t.Helper()
	pairs, err := s.GetRange(t.Context(), r)
	require.NoError(t, err)
	keys := []string{}
	for _, pair := range pairs {
		keys = append(keys, string(pair.Key))
		if r.KeysOnly {
			require.Empty(t, pair.Value)
		} else {
			require.Equal(t, "value of "+string(pair.Key), string(pair.Value))
		}
	}
	return keys
}

func testRangeOrder(t *testing.T, s storage.Storage) {
	t.Helper()
	require.Empty(t, rangeOf(t, s, storage.Range{}))
	for _, key := range []string{"b", "a", "\x00", "ab", "\xff\xff", "a\x00", "\xff", "B"} {
		set(t, s, key, "value of "+key)
	}
	ordered := []string{"\x00", "B", "a", "a\x00", "ab", "b", "\xff", "\xff\xff"}
	reversed := slices.Clone(ordered)
	slices.Reverse(reversed)

	require.Equal(t, ordered, rangeOf(t, s, storage.Range{}))
	require.Equal(t, ordered, rangeOf(t, s, storage.Range{KeysOnly: true}))
	require.Equal(t, reversed, rangeOf(t, s, storage.Range{Reverse: true}))
	require.Equal(t, ordered[:3], rangeOf(t, s, storage.Range{Limit: 3}))
	require.Equal(t, reversed[:1], rangeOf(t, s, storage.Range{Reverse: true, Limit: 1, KeysOnly: true}))
	require.Equal(t, ordered, rangeOf(t, s, storage.Range{Limit: 100}))
}

func testRangeBounds(t *testing.T, s storage.Storage) {
	t.Helper()
	for _, key := range []string{"a", "b", "c", "d"} {
		set(t, s, key, "value of "+key)
	}
	for _, test := range []struct {
		name       string
		start, end []byte
		want       []string
	}{
		{"start is in it", []byte("b"), nil, []string{"b", "c", "d"}},
		{"end is not", nil, []byte("c"), []string{"a", "b"}},
		{"bounds that are no keys", []byte("a\x00"), []byte("c\x00"), []string{"b", "c"}},
		{"nothing in between", []byte("b\x00"), []byte("c"), []string{}},
		{"start is the end", []byte("b"), []byte("b"), []string{}},
		{"start behind the end", []byte("c"), []byte("b"), []string{}},
		{"start behind everything", []byte("x"), nil, []string{}},
		{"end before everything", nil, []byte("A"), []string{}},
		{"an end that is empty but not nil", nil, []byte{}, []string{}},
		{"a start that is empty but not nil", []byte{}, nil, []string{"a", "b", "c", "d"}},
	} {
		require.Equal(t, test.want, rangeOf(t, s, storage.Range{Start: test.start, End: test.end}), test.name)
		slices.Reverse(test.want)
		require.Equal(t, test.want, rangeOf(t, s, storage.Range{Start: test.start, End: test.end, Reverse: true}), test.name)
	}
}

// testRangeModel compares random writes and ranges with a map.
func testRangeModel(t *testing.T, s storage.Storage) {
	t.Helper()
	random := rand.New(rand.NewSource(1)) //nolint:gosec // the same steps in every run
	randomKey := func() string {
		key := make([]byte, 1+random.Intn(3))
		for i := range key {
			key[i] = []byte{0, 1, 'a', 'b', 254, 255}[random.Intn(6)]
		}
		return string(key)
	}
	model := map[string]bool{}
	for range 60 {
		var operations []storage.Operation
		for range 1 + random.Intn(20) {
			key, remove := randomKey(), random.Intn(3) == 0
			operations = append(operations, storage.Operation{Key: []byte(key), Value: []byte("value of " + key), Delete: remove})
			if remove {
				delete(model, key)
			} else {
				model[key] = true
			}
		}
		require.NoError(t, s.Batch(t.Context(), operations))
		for range 8 {
			r := storage.Range{Start: []byte(randomKey()), End: []byte(randomKey()), Limit: random.Intn(6), Reverse: random.Intn(2) == 0}
			if random.Intn(3) == 0 {
				r.Start = nil
			}
			if random.Intn(3) == 0 {
				r.End = nil
			}
			require.Equal(t, modelRange(model, r), rangeOf(t, s, r), "%+v", r)
		}
	}
}

func modelRange(model map[string]bool, r storage.Range) []string {
	keys := []string{}
	for key := range model {
		if key >= string(r.Start) && (r.End == nil || key < string(r.End)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if r.Reverse {
		slices.Reverse(keys)
	}
	if r.Limit > 0 && len(keys) > r.Limit {
		keys = keys[:r.Limit]
	}
	return keys
}

func testRangeAfterTrim(t *testing.T, s storage.Storage) {
	t.Helper()
	const n, kept = 5_000, 10
	operations := make([]storage.Operation, n)
	for i := range operations {
		operations[i] = storage.Operation{Key: numbered("log", i), Value: []byte("value of " + string(numbered("log", i)))}
	}
	require.NoError(t, s.Batch(t.Context(), operations))
	for i := range operations {
		operations[i].Delete = true
	}
	require.NoError(t, s.Batch(t.Context(), operations[:n-kept]))
	require.Equal(t, []string{string(numbered("log", n-1))}, rangeOf(t, s, storage.Range{Reverse: true, Limit: 1}))
	require.Equal(t, []string{string(numbered("log", n-kept))}, rangeOf(t, s, storage.Range{Limit: 1}))
	require.Len(t, rangeOf(t, s, storage.Range{}), kept)
}
