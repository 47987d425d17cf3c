package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect"
)

// errFenced says that a leader of a higher term has written already.
var errFenced = errors.New("refused: a leader of a higher term has written already")

// ledger is a resource that leaders change: a document on a storage. It remembers the highest term
// that has written to it, and refuses lower ones. In a database the same is a column, and a
// condition in the UPDATE: "... SET term = $1 ... WHERE term <= $1".
type ledger struct {
	storage s3lect.Storage
	key     string
}

// entry is the document.
type entry struct {
	Term int64  `json:"term"` // of the leader that wrote it
	Text string `json:"text"`
}

// write replaces the document, on behalf of the leader of a term. Comparing the terms and replacing
// the document are one step: should another leader write in between, the conditional write fails,
// and the terms are compared anew.
func (l *ledger) write(ctx context.Context, term int64, text string) error {
	for {
		current, etag, err := l.read(ctx)
		if err != nil {
			return err
		}
		if term < current.Term {
			return fmt.Errorf("write with term %d: %w (%d)", term, errFenced, current.Term)
		}
		data, err := json.Marshal(entry{Term: term, Text: text})
		if err != nil {
			return err
		}
		err = l.storage.PutIfMatch(ctx, l.key, data, etag)
		if !errors.Is(err, s3lect.ErrStoragePrecondition) {
			return err
		}
	}
}

// read returns the document and its version; both are empty while there is none.
func (l *ledger) read(ctx context.Context) (e entry, etag string, err error) {
	data, etag, err := l.storage.Get(ctx, l.key)
	if errors.Is(err, s3lect.ErrStorageNotFound) {
		return entry{}, "", nil
	}
	if err != nil {
		return entry{}, "", err
	}
	err = json.Unmarshal(data, &e)
	return e, etag, err
}
