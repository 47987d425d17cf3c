package postgres

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

const (
	// statementSize is the size from which on what is to be written goes into another statement. An array has to
	// stay well below 1 GiB.
	statementSize = 64 << 20
	// transactionSize is the size from which on it goes into another transaction.
	transactionSize = 256 << 20
)

// statement is some operations of one kind that follow each other.
type statement struct {
	remove       bool
	keys, values [][]byte
	size         int
}

// takes says whether an operation can be added. A statement must not write a key twice, and keys that grow are different.
func (s *statement) takes(operation storage.Operation) bool {
	if s.remove != operation.Delete || s.size+len(operation.Key)+len(operation.Value) > statementSize {
		return false
	}
	return s.remove || bytes.Compare(operation.Key, s.keys[len(s.keys)-1]) > 0
}

func (s *statement) add(operation storage.Operation) {
	s.keys = append(s.keys, operation.Key)
	s.size += len(operation.Key)
	if operation.Delete {
		return
	}
	value := operation.Value
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	s.values = append(s.values, value)
	s.size += len(value)
}

func (s *statement) sql(t table) (query string, arguments []any) {
	if s.remove {
		return "DELETE FROM " + t.quoted() + " WHERE key = ANY($1::bytea[])", []any{s.keys}
	}
	return "INSERT INTO " + t.quoted() + " (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[])" +
		" ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value", []any{s.keys, s.values}
}

// transaction is some statements that are done together.
type transaction []*statement

// time returns how much longer than others a large transaction may take.
func (t transaction) time() time.Duration {
	size := 0
	for _, statement := range t {
		size += statement.size
	}
	return time.Duration(size>>22) * time.Second
}

func transactionsOf(operations []storage.Operation) []transaction {
	var transactions []transaction
	var last *statement
	size := 0
	for _, operation := range operations {
		if last == nil || !last.takes(operation) {
			if last == nil || size > transactionSize {
				transactions = append(transactions, nil)
				size = 0
			}
			last = &statement{remove: operation.Delete}
			current := &transactions[len(transactions)-1]
			*current = append(*current, last)
		}
		last.add(operation)
		size += len(operation.Key) + len(operation.Value)
	}
	return transactions
}

// do sends all statements at once. They are one transaction, because there is one synchronization behind them.
func (t transaction) do(in table) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, connection *pgx.Conn) error {
		if len(t) == 1 {
			query, arguments := t[0].sql(in)
			_, err := connection.Exec(ctx, query, arguments...)
			return err
		}
		var batch pgx.Batch
		for _, statement := range t {
			query, arguments := statement.sql(in)
			batch.Queue(query, arguments...)
		}
		return connection.SendBatch(ctx, &batch).Close()
	}
}

func rangeQuery(t table, r storage.Range) (query string, arguments []any) {
	columns, order := "key, value", "key"
	if r.KeysOnly {
		columns = "key"
	}
	if r.Reverse {
		order = "key DESC"
	}
	start := r.Start
	if start == nil {
		start = []byte{}
	}
	query = "SELECT " + columns + " FROM " + t.quoted() + " WHERE key >= $1"
	arguments = []any{start}
	if r.End != nil {
		arguments = append(arguments, r.End)
		query += fmt.Sprintf(" AND key < $%d", len(arguments))
	}
	query += " ORDER BY " + order
	if r.Limit > 0 {
		arguments = append(arguments, r.Limit)
		query += fmt.Sprintf(" LIMIT $%d", len(arguments))
	}
	return query, arguments
}
