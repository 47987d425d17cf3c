package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

const (
	// threshold is the size of values from which on the engine would put them into its value log.
	threshold = 1 << 20
	// pieceSize is the size of the pieces into which larger values are cut.
	pieceSize = 1000 << 10
	// metaLarge marks a head, which is there instead of a large value and says what its pieces are.
	metaLarge = 1
)

// largeValues knows the values that are in pieces. Their pieces are written before the head and deleted after it, so that
// a crash leaves either a whole value or pieces without a head, which the next opening deletes.
type largeValues struct {
	mu    sync.RWMutex // held for writing by whoever writes, replaces or deletes a large value
	heads map[string]head
	next  uint64 // number of the next large value
}

type head struct {
	number uint64
	pieces uint32
	size   uint64
}

func (h head) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 20), h.number)
	b = binary.BigEndian.AppendUint32(b, h.pieces)
	return binary.BigEndian.AppendUint64(b, h.size)
}

func decodeHead(b []byte) (head, error) {
	if len(b) != 20 {
		return head{}, fmt.Errorf("the head of a large value has %d bytes instead of 20", len(b))
	}
	return head{
		number: binary.BigEndian.Uint64(b),
		pieces: binary.BigEndian.Uint32(b[8:]),
		size:   binary.BigEndian.Uint64(b[12:]),
	}, nil
}

// touchedBy says whether operations write, replace or delete a large value.
func (l *largeValues) touchedBy(operations []storage.Operation) bool {
	for _, operation := range operations {
		if !operation.Delete && len(operation.Value) > pieceSize {
			return true
		}
		if len(l.heads) > 0 {
			if _, ok := l.heads[string(operation.Key)]; ok {
				return true
			}
		}
	}
	return false
}

// write does operations of which some touch large values.
func (l *largeValues) write(db *badger.DB, operations []storage.Operation) error {
	heads := map[int][]byte{}
	var replaced []head
	for i, operation := range operations {
		if old, ok := l.heads[string(operation.Key)]; ok {
			replaced = append(replaced, old)
			delete(l.heads, string(operation.Key))
		}
		if operation.Delete || len(operation.Value) <= pieceSize {
			continue
		}
		written, err := l.writePieces(db, operation)
		if err != nil {
			return err
		}
		heads[i] = written.encode()
		l.heads[string(operation.Key)] = written
	}
	if err := apply(db, operations, heads); err != nil {
		return err
	}
	for _, old := range replaced {
		if err := deletePieces(db, old.number); err != nil {
			return err
		}
	}
	return nil
}

func (l *largeValues) writePieces(db *badger.DB, operation storage.Operation) (head, error) {
	h := head{number: l.next, size: uint64(len(operation.Value))}
	l.next++
	w := newWriter(db)
	defer w.discard()
	for rest := operation.Value; len(rest) > 0; h.pieces++ {
		n := min(len(rest), pieceSize)
		if err := w.add(badger.NewEntry(pieceKey(h.number, h.pieces, operation.Key), rest[:n]), false); err != nil {
			return head{}, err
		}
		rest = rest[n:]
	}
	return h, w.commit()
}

// valueOf returns a copy of a value, put together if it is in pieces.
func valueOf(txn *badger.Txn, item *badger.Item) ([]byte, error) {
	value, err := item.ValueCopy(nil)
	if err != nil || item.UserMeta() != metaLarge {
		return value, err
	}
	h, err := decodeHead(value)
	if err != nil {
		return nil, err
	}
	owner := item.KeyCopy(nil)[1:]
	value = make([]byte, 0, h.size)
	for piece := range h.pieces {
		found, err := txn.Get(pieceKey(h.number, piece, owner))
		if err != nil {
			return nil, fmt.Errorf("piece %d of the value of %q: %w", piece, owner, err)
		}
		if err := found.Value(func(b []byte) error { value = append(value, b...); return nil }); err != nil {
			return nil, fmt.Errorf("piece %d of the value of %q: %w", piece, owner, err)
		}
	}
	if uint64(len(value)) != h.size {
		return nil, fmt.Errorf("the pieces of the value of %q have %d bytes instead of %d", owner, len(value), h.size)
	}
	return value, nil
}

// find looks for the large values of a storage that is being opened, and deletes pieces that belong to none.
func (l *largeValues) find(db *badger.DB) error {
	l.heads = map[string]head{}
	found := map[uint64]bool{} // numbers of values, whether they have a head
	err := db.View(func(txn *badger.Txn) error {
		iterator := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{spacePieces}})
		defer iterator.Close()
		for iterator.Rewind(); iterator.Valid(); iterator.Next() {
			key := iterator.Item().Key()
			if len(key) < pieceKeySize {
				return fmt.Errorf("the key %x is none of a piece", key)
			}
			number := binary.BigEndian.Uint64(key[1:])
			l.next = max(l.next, number+1)
			if binary.BigEndian.Uint32(key[9:]) > 0 {
				if _, ok := found[number]; !ok {
					found[number] = false // a piece whose first one is not there has no head
				}
				continue
			}
			owner := string(key[pieceKeySize:])
			h, err := headOf(txn, owner)
			if err != nil {
				return err
			}
			found[number] = h != nil && h.number == number
			if found[number] {
				l.heads[owner] = *h
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for number, whole := range found {
		if !whole {
			if err := deletePieces(db, number); err != nil {
				return err
			}
		}
	}
	return nil
}

// headOf returns nil if a key has no large value.
func headOf(txn *badger.Txn, key string) (*head, error) {
	item, err := txn.Get(valueKey([]byte(key)))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil || item.UserMeta() != metaLarge {
		return nil, err
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	h, err := decodeHead(value)
	return &h, err
}

// deletePieces deletes the pieces of a large value.
func deletePieces(db *badger.DB, number uint64) error {
	prefix := pieceKey(number, 0, nil)[:1+8]
	var keys [][]byte
	if err := db.View(func(txn *badger.Txn) error {
		iterator := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer iterator.Close()
		for iterator.Rewind(); iterator.Valid(); iterator.Next() {
			keys = append(keys, iterator.Item().KeyCopy(nil))
		}
		return nil
	}); err != nil {
		return err
	}
	w := newWriter(db)
	defer w.discard()
	for i := len(keys) - 1; i >= 0; i-- { // the first one last, it is by which the others are found
		if err := w.add(&badger.Entry{Key: keys[i]}, true); err != nil {
			return err
		}
	}
	return w.commit()
}
