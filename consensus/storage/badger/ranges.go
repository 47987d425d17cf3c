package badger

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// prefetched is how many values are read ahead.
const prefetched = 64

// GetRange returns what is in a range.
func (s *Storage) GetRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if err := s.guard.Enter(ctx); err != nil {
		return nil, err
	}
	defer s.guard.Leave()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	pairs, err := getRange(txn, r)
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", s.directory, err)
	}
	return pairs, nil
}

func getRange(txn *badger.Txn, r storage.Range) ([]storage.Pair, error) {
	start, end := valueKey(r.Start), []byte{spaceValues + 1}
	if r.End != nil {
		end = valueKey(r.End)
	}
	iterator := txn.NewIterator(badger.IteratorOptions{
		Reverse:        r.Reverse,
		PrefetchValues: !r.KeysOnly && r.Limit != 1,
		PrefetchSize:   prefetched,
	})
	defer iterator.Close()

	var pairs []storage.Pair
	for seekFirst(iterator, start, end, r.Reverse); iterator.Valid(); iterator.Next() {
		item := iterator.Item()
		key := item.Key()
		if bytes.Compare(key, start) < 0 || bytes.Compare(key, end) >= 0 {
			break
		}
		pair := storage.Pair{Key: slices.Clone(key[1:])}
		if !r.KeysOnly {
			var err error
			if pair.Value, err = valueOf(txn, item); err != nil {
				return nil, err
			}
		}
		pairs = append(pairs, pair)
		if len(pairs) == r.Limit {
			break
		}
	}
	return pairs, nil
}

func seekFirst(iterator *badger.Iterator, start, end []byte, reverse bool) {
	if !reverse {
		iterator.Seek(start)
		return
	}
	iterator.Seek(end) // finds the end itself, or the last one before it
	if iterator.Valid() && bytes.Equal(iterator.Item().Key(), end) {
		iterator.Next()
	}
}
