package raftd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/badger"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/bbolt"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/pebble"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/postgres"
)

// Kind is an engine that keeps a node's data.
type Kind string

// DefaultStore is the kind that WithDataDir of the consensus package takes as well.
const DefaultStore = Pebble

// The kinds.
const (
	Badger   Kind = "badger"
	Bolt     Kind = "bbolt"
	Pebble   Kind = "pebble"
	Postgres Kind = "postgres"
	Memory   Kind = "memory"
)

// place is where a node's data are: a directory, or for PostgreSQL a table in a database.
type place struct {
	kind       Kind
	dir        string
	url, table string
}

// String is for people: it does not have the password.
func (p place) String() string {
	switch {
	case p.dir != "":
		return string(p.kind) + " in " + p.dir
	case p.url != "":
		return "table " + p.table + " in " + withoutPassword(p.url)
	}
	return string(p.kind)
}

// store returns what --store and --data mean together.
func (o *Options) store() (place, error) {
	name := o.Store
	if name == "" {
		name = string(DefaultStore)
	}
	scheme, rest, isURL := strings.Cut(name, "://")
	kind := Kind(scheme)
	if kind == "postgresql" {
		kind = Postgres
	}
	if o.Table != "" && kind != Postgres {
		return place{}, fmt.Errorf("--table %s is for PostgreSQL; this is --store %s", o.Table, kind)
	}
	switch kind {
	case Badger, Bolt, Pebble:
		return o.directory(kind, rest, isURL)
	case Postgres:
		return o.database(name, isURL)
	case Memory:
		if isURL || o.Data != "" {
			return place{}, errors.New("--store memory keeps nothing, so neither --data nor a path goes with it")
		}
		return place{kind: Memory}, nil
	}
	return place{}, fmt.Errorf("--store %q is none of pebble, badger, bbolt, memory and postgres://USER@HOST/DATABASE", withoutPassword(name))
}

func (o *Options) directory(kind Kind, path string, isURL bool) (place, error) {
	switch {
	case isURL && o.Data != "":
		return place{}, fmt.Errorf("--store %s names a directory, and --data %s another one: give one of them", o.Store, o.Data)
	case isURL && !strings.HasPrefix(path, "/"):
		return place{}, fmt.Errorf("--store %s needs three slashes and a path from the root, such as %s:///var/lib/raftd; for other paths there is --data", o.Store, kind)
	case isURL:
		return place{kind: kind, dir: path}, nil
	case o.Data == "":
		return place{}, errors.New("--data is required: a directory of this node's own, such as /var/lib/raftd")
	}
	return place{kind: kind, dir: o.Data}, nil
}

func (o *Options) database(name string, isURL bool) (place, error) {
	if !isURL {
		return place{}, errors.New("--store postgres needs to be a URL: postgres://USER:PASSWORD@HOST:5432/DATABASE")
	}
	if o.Data != "" {
		return place{}, fmt.Errorf("--data %s is of no effect with PostgreSQL, which has everything; leave it out", o.Data)
	}
	if _, err := url.Parse(name); err != nil {
		return place{}, errors.New("--store postgres://...: it is not a URL; are there characters in the password that want to be written as %XX?")
	}
	table := o.Table
	if table == "" {
		table = tableOf(o.ID)
	}
	return place{kind: Postgres, url: name, table: table}, nil
}

// longestTable is the length in bytes up to which PostgreSQL tells names apart, less one for caution.
const longestTable = 62

// tableOf is the name of a node's table. Where the ID cannot be one, it ends in a checksum, so that no two nodes share
// a table.
func tableOf(id string) string {
	const prefix = "raftd_"
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(id))
	if name == id && len(prefix+name) <= longestTable {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(id))
	mark := "_" + hex.EncodeToString(sum[:4])
	return prefix + name[:min(len(name), longestTable-len(prefix)-len(mark))] + mark
}

func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a URL that cannot be read"
	}
	return u.Redacted()
}

// open opens the storage of a node.
func (p place) open(ctx context.Context, log *slog.Logger) (consensus.Storage, error) {
	switch p.kind {
	case Badger:
		return opened(badger.OpenWithLogger(p.engineDir(), log))
	case Bolt:
		return opened(bbolt.Open(p.engineDir()))
	case Pebble:
		return opened(pebble.OpenWithLogger(p.engineDir(), log))
	case Postgres:
		return opened(postgres.Open(ctx, p.url, postgres.Options{Table: p.table, Logger: log}))
	case Memory:
		return memory.New(), nil
	}
	return nil, fmt.Errorf("%w: there is no storage of the kind %q", consensus.ErrConfig, p.kind)
}

// engineDir is the engine's own below the node's directory, so that two engines never mix their files.
func (p place) engineDir() string { return filepath.Join(p.dir, string(p.kind)) }

// checkOthers refuses a directory in which another engine keeps data: a node that began with nothing under the same ID
// could undo what it has confirmed.
func (p place) checkOthers() error {
	if p.dir == "" {
		return nil
	}
	for _, other := range []Kind{Badger, Bolt, Pebble} {
		if other == p.kind {
			continue
		}
		_, err := os.Stat(filepath.Join(p.dir, string(other)))
		switch {
		case err == nil:
			return fmt.Errorf("%w: %s has data of the store %s, and this is --store %s: start with --store %s, or remove the node from the cluster and add a new one with an empty directory",
				consensus.ErrForeignState, p.dir, other, p.kind, other)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// opened makes an interface of what an engine returns, without making nil one that is not.
func opened[S consensus.Storage](storage S, err error) (consensus.Storage, error) {
	if err != nil {
		return nil, err
	}
	return storage, nil
}
