package badger

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
)

// writer puts entries into as few transactions as possible, in their order.
type writer struct {
	db  *badger.DB
	txn *badger.Txn
}

func newWriter(db *badger.DB) *writer {
	return &writer{db: db, txn: db.NewTransaction(true)}
}

// add writes or deletes an entry, once it is committed. The entry must stay as it is until then.
func (w *writer) add(entry *badger.Entry, remove bool) error {
	err := w.put(entry, remove)
	if !errors.Is(err, badger.ErrTxnTooBig) {
		return err
	}
	if err := w.txn.Commit(); err != nil {
		return err
	}
	w.txn = w.db.NewTransaction(true)
	return w.put(entry, remove)
}

func (w *writer) put(entry *badger.Entry, remove bool) error {
	if remove {
		return w.txn.Delete(entry.Key)
	}
	return w.txn.SetEntry(entry)
}

func (w *writer) commit() error { return w.txn.Commit() }

func (w *writer) discard() { w.txn.Discard() }
