package raftstore_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/pgserver"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/badger"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/bbolt"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/pebble"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/postgres"
)

// engine is a kind of storage.
type engine struct {
	newPlace func(t testing.TB) string
	open     func(place string) (storage.Storage, error)
}

var engines = map[string]engine{
	"memory": {
		newPlace: func(testing.TB) string { return fmt.Sprint(places.Add(1)) },
		open: func(place string) (storage.Storage, error) {
			s := memory.New()
			if before, ok := memories.Load(place); ok {
				s = before.(*memory.Storage).Reopen() //nolint:errcheck // nothing else is stored there
			}
			memories.Store(place, s)
			return s, nil
		},
	},
	"bbolt":  {newDirectory, func(place string) (storage.Storage, error) { return bbolt.Open(place) }},
	"badger": {newDirectory, func(place string) (storage.Storage, error) { return badger.Open(place) }},
	"pebble": {newDirectory, func(place string) (storage.Storage, error) { return pebble.Open(place) }},
	"postgres": {
		newPlace: func(tb testing.TB) string {
			tb.Helper()
			return fmt.Sprintf("%s log_%d", pgserver.Shared(tb), places.Add(1))
		},
		open: func(place string) (storage.Storage, error) {
			url, table, _ := strings.Cut(place, " ")
			return postgres.Open(context.Background(), url, postgres.Options{Table: table, Timeout: time.Minute})
		},
	},
}

var (
	places   atomic.Int64
	memories sync.Map // storages by their place
)

func newDirectory(tb testing.TB) string { tb.Helper(); return tb.TempDir() }

// place is where one storage is. It is opened again and again.
type place struct {
	engine
	name string // of the engine
	at   string
}

func newPlace(tb testing.TB, name string) *place {
	tb.Helper()
	e := engines[name]
	return &place{engine: e, name: name, at: e.newPlace(tb)}
}

// TestMain ends the server that the tests have started.
func TestMain(m *testing.M) {
	code := m.Run()
	pgserver.KillShared()
	os.Exit(code)
}

// onEachEngine runs a test on every engine.
func onEachEngine(t *testing.T, test func(t *testing.T, p *place)) {
	t.Helper()
	for name := range engines {
		t.Run(name, func(t *testing.T) { test(t, newPlace(t, name)) })
	}
}

// storage opens the storage and has it closed.
func (p *place) storage(tb testing.TB) storage.Storage {
	tb.Helper()
	s, err := p.open(p.at)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// reopen closes a storage, unless it is one in memory, whose next opening takes the data over, and opens it again.
func (p *place) reopen(tb testing.TB, s storage.Storage) storage.Storage {
	tb.Helper()
	if _, ok := s.(*memory.Storage); !ok {
		require.NoError(tb, s.Close())
	}
	return p.storage(tb)
}

func newStore(tb testing.TB, s storage.Storage) *raftstore.Store {
	tb.Helper()
	store, err := raftstore.New(s)
	require.NoError(tb, err)
	return store
}

// entries returns log entries with the indexes from first to last.
func entries(first, last uint64) []*raft.Log {
	var logs []*raft.Log
	for index := first; index <= last; index++ {
		logs = append(logs, entry(index, 1))
	}
	return logs
}
