package kv_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

func keysOf(t *testing.T, l *log, q kv.List) (keys []string, more bool) {
	t.Helper()
	listing, ok := l.query(q).(kv.Listing)
	require.True(t, ok)
	require.NotNil(t, listing.Entries, "JSON is to show an empty list, not null")
	for _, entry := range listing.Entries {
		keys = append(keys, entry.Key)
	}
	return keys, listing.More
}

// Short keys of few letters are often prefixes of each other, which is where ordered trees go wrong.
func TestListAgreesWithASortedSlice(t *testing.T) {
	const letters = "\x00ab\xc3\xa9"
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		w := make([]byte, random.IntN(4))
		for i := range w {
			w[i] = letters[random.IntN(len(letters))]
		}
		return string(w)
	}
	for range 300 {
		l := newLog(t)
		var all []string
		for range random.IntN(12) {
			key := "k" + word()
			// Straight into the tree: JSON would replace what is not UTF-8, and the order is that of bytes anyway.
			l.apply(kv.Set(strings.ToValidUTF8(key, "?"), "v"))
			all = append(all, strings.ToValidUTF8(key, "?"))
		}
		slices.Sort(all)
		all = slices.Compact(all)
		q := kv.List{Prefix: strings.TrimPrefix("k"+word(), "k"[:random.IntN(2)]), Limit: 1 + random.IntN(5)}
		if random.IntN(2) == 0 {
			q.After = "k" + word()
		}
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, q.Prefix) && (q.After == "" || key > q.After) {
				want = append(want, key)
			}
		}
		cut := len(want) > q.Limit
		if cut {
			want = want[:q.Limit]
		}
		keys, more := keysOf(t, l, q)
		require.Equal(t, want, keys, "%q of %q", q, all)
		require.Equal(t, cut, more, "%q of %q", q, all)
	}
}

func TestPagesOfAListAreTheWholeList(t *testing.T) {
	l := newLog(t)
	var all []string
	for _, c := range "abcdefg" {
		l.apply(kv.Set(string(c), "v"))
		all = append(all, string(c))
	}
	var seen []string
	q := kv.List{Limit: 3}
	for more := true; more; {
		var keys []string
		keys, more = keysOf(t, l, q)
		seen = append(seen, keys...)
		q.After = keys[len(keys)-1]
	}
	assert.Equal(t, all, seen)
}
