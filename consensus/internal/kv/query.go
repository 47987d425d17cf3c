package kv

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrBadQuery says that a query is none of this machine's.
var ErrBadQuery = errors.New("not a query of the key-value store")

// DefaultLimit is the number of keys that a [List] without a limit is answered with at most.
const DefaultLimit = 1000

// Get asks for one key. The answer is an [Answer].
type Get struct{ Key string }

// List asks for the keys that begin with Prefix, in their order. The answer is a [Listing].
type List struct {
	Prefix string
	// Limit is the largest number of keys; DefaultLimit if it is 0.
	Limit int
	// After, if it is not empty, is a key behind which to begin: the last one of the Listing before.
	After string
}

// Listing is the answer to a [List].
type Listing struct {
	Entries []Entry `json:"entries"`
	// More says that the limit has cut the list.
	More bool `json:"more"`
}

// Entry is a key in a [Listing].
type Entry struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Version uint64 `json:"version"`
}

// question is a query as JSON: {"get": "key"} or {"list": "prefix", "limit": 10, "after": "key"}.
type question struct {
	Get   *string `json:"get"`
	List  *string `json:"list"`
	Limit int     `json:"limit"`
	After string  `json:"after"`
}

// Query answers a [Get], a [List], or either of them as JSON in a json.RawMessage: {"get": "key"} or {"list": "prefix",
// "limit": 10, "after": "key"}, where the limit and after can be left out. An error is ErrBadQuery.
func (m *Machine) Query(query any) (any, error) {
	switch q := query.(type) {
	case Get:
		return m.get(q)
	case List:
		return m.list(q)
	case json.RawMessage:
		decoded, err := DecodeQuery(q)
		if err != nil {
			return nil, err
		}
		return m.Query(decoded)
	}
	return nil, fmt.Errorf("%w: %T", ErrBadQuery, query)
}

// DecodeQuery makes a [Get] or a [List] of one that came as JSON; see [Machine.Query].
func DecodeQuery(encoded json.RawMessage) (any, error) {
	var q question
	if err := decode(encoded, &q); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadQuery, err)
	}
	switch {
	case (q.Get == nil) == (q.List == nil):
		return nil, fmt.Errorf(`%w: it needs either "get" or "list"`, ErrBadQuery)
	case q.List != nil:
		return List{Prefix: *q.List, Limit: q.Limit, After: q.After}, nil
	case q.Limit != 0 || q.After != "":
		return nil, fmt.Errorf(`%w: "limit" and "after" are for "list"`, ErrBadQuery)
	}
	return Get{Key: *q.Get}, nil
}

func (m *Machine) get(q Get) (Answer, error) {
	if q.Key == "" {
		return Answer{}, fmt.Errorf("%w: the key is empty", ErrBadQuery)
	}
	return m.lookup(q.Key), nil
}

func (m *Machine) list(q List) (Listing, error) {
	limit := q.Limit
	switch {
	case limit < 0:
		return Listing{}, fmt.Errorf("%w: the limit %d is negative", ErrBadQuery, limit)
	case limit == 0:
		limit = DefaultLimit
	}
	start := q.Prefix
	if q.After != "" {
		start = max(start, q.After+"\x00") // the first string behind it
	}
	listing := Listing{Entries: []Entry{}}
	keys := m.tree.Load().Root().Iterator()
	keys.SeekLowerBound([]byte(start))
	for key, value, ok := keys.Next(); ok && strings.HasPrefix(string(key), q.Prefix); key, value, ok = keys.Next() {
		if len(listing.Entries) == limit {
			listing.More = true
			break
		}
		found, _ := itemOf(value, true)
		listing.Entries = append(listing.Entries, Entry{Key: string(key), Value: found.value, Version: found.version})
	}
	return listing, nil
}
