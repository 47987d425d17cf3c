// Package postgres keeps a node's data in a table of a PostgreSQL database:
//
//	s, err := postgres.Open(ctx, "postgres://node@db.example.com/consensus", postgres.Options{Table: "node_1"})
//	node, err := consensus.New(consensus.WithStorage(s), ...)
//
// It is for machines without a disk that lasts. Give every node a table of its own and, better, a server of its own:
// nodes that share a server fail together. A pooler that hands connections from one client to another (PgBouncer in
// transaction mode) cannot be in between, because a lock belongs to a connection.
//
// One process has a table at a time: it holds an advisory lock on one connection, and everything it writes goes
// through that very connection. When the connection is lost, so is the lock, and the storage fails for good
// (storage.ErrFailed): another process may have the table by then.
//
// A server that does not sync (fsync off) is refused, as are standbys and unlogged tables. Commits are always
// synchronous, whatever the server's default is.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/internal/guard"
)

// Options are how a database is used.
type Options struct {
	// Table is the name of the table, "consensus" if it is empty, or of schema and table with a dot in between: lower case
	// letters, digits and underscores. The schema must exist; the table is created.
	Table string
	// Timeout is how long the server may take for one call; 10 seconds if it is 0. Large writes have a second more for
	// every 4 MiB.
	Timeout time.Duration
	// Logger gets what is noteworthy; slog.Default() if it is nil.
	Logger *slog.Logger
}

const (
	defaultTable   = "consensus"
	defaultTimeout = 10 * time.Second
	// readers is how many connections there are besides the one for writing.
	readers = 4
)

// Storage is a storage.Storage in a table.
type Storage struct {
	guard   guard.Guard
	table   table
	timeout time.Duration
	logger  *slog.Logger

	turn   chan struct{} // held by whoever uses writer
	writer *pgx.Conn     // holds the lock
	reader *pgxpool.Pool

	stop    context.CancelFunc // ends the watch
	watched chan struct{}      // closed when the watch has ended
}

var _ storage.Storage = (*Storage)(nil)

// Open opens the table and takes its lock. A table that another process has is refused. The context bounds Open alone.
// Errors do not contain the password.
func Open(ctx context.Context, url string, options Options) (*Storage, error) {
	s := &Storage{timeout: options.Timeout, logger: options.Logger, turn: make(chan struct{}, 1), watched: make(chan struct{})}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	var err error
	if s.table, err = parseTable(options.Table); err != nil {
		return nil, fmt.Errorf("open PostgreSQL storage: %w", err)
	}
	if err := s.connect(ctx, url); err != nil {
		return nil, fmt.Errorf("open PostgreSQL storage in table %s: %w", s.table, err)
	}
	var watching context.Context
	watching, s.stop = context.WithCancel(context.Background())
	go s.watch(watching)
	return s, nil
}

// Set writes one value.
func (s *Storage) Set(ctx context.Context, key, value []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Value: value}})
}

// Delete removes a key.
func (s *Storage) Delete(ctx context.Context, key []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Delete: true}})
}

// Batch does all operations in one transaction, or, if they are very large, in several.
func (s *Storage) Batch(ctx context.Context, operations []storage.Operation) error {
	if err := storage.CheckBatch(operations); err != nil {
		return err
	}
	if err := s.guard.Enter(ctx); err != nil {
		return err
	}
	defer s.guard.Leave()
	for _, transaction := range transactionsOf(operations) {
		if err := s.withWriter(ctx, s.timeout+transaction.time(), transaction.do(s.table)); err != nil {
			return fmt.Errorf("write to table %s: %w", s.table, err)
		}
	}
	return nil
}

// Get returns the value of a key, or storage.ErrNotFound.
func (s *Storage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := storage.CheckKey(key); err != nil {
		return nil, err
	}
	if err := s.guard.Enter(ctx); err != nil {
		return nil, err
	}
	defer s.guard.Leave()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var value []byte
	err := s.reader.QueryRow(ctx, "SELECT value FROM "+s.table.quoted()+" WHERE key = $1", key).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read from table %s: %w", s.table, ended(ctx, err))
	}
	return value, nil
}

// GetRange returns what is in a range.
func (s *Storage) GetRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if err := s.guard.Enter(ctx); err != nil {
		return nil, err
	}
	defer s.guard.Leave()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	query, arguments := rangeQuery(s.table, r)
	rows, err := s.reader.Query(ctx, query, arguments...)
	if err != nil {
		return nil, fmt.Errorf("read from table %s: %w", s.table, ended(ctx, err))
	}
	pairs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pair storage.Pair, err error) {
		if r.KeysOnly {
			return pair, row.Scan(&pair.Key)
		}
		return pair, row.Scan(&pair.Key, &pair.Value)
	})
	if err != nil {
		return nil, fmt.Errorf("read from table %s: %w", s.table, ended(ctx, err))
	}
	return pairs, nil
}

// Close waits for calls that run, gives the lock back and closes all connections.
func (s *Storage) Close() error {
	if !s.guard.Close() {
		return nil
	}
	s.stop()
	<-s.watched
	s.reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	if err := s.writer.Close(ctx); err != nil && !s.guard.Failed() {
		return fmt.Errorf("close PostgreSQL storage in table %s: %w", s.table, err)
	}
	return nil
}
