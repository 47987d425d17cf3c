//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/badger"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/bbolt"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/pebble"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/postgres"
)

// place is where a run has its data: a directory, and a PostgreSQL server once it is asked for one.
type place struct {
	directory string

	mu     sync.Mutex
	disks  int
	server *postgresServer
}

func newPlace(parent string) (*place, error) {
	directory, err := os.MkdirTemp(parent, "consensus-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for data: %w", err)
	}
	// The PostgreSQL server, which is another user's, has its data below.
	if err := os.Chmod(directory, 0o711); err != nil {
		return nil, err
	}
	return &place{directory: directory}, nil
}

func (p *place) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.server != nil {
		err = p.server.Close()
	}
	return errors.Join(err, os.RemoveAll(p.directory))
}

// disk is what one node keeps. It outlives the node.
type disk struct {
	Store string `json:"store"`
	// Directory is where the files are; Table, and the URL of the server, where there is no directory.
	Directory string `json:"directory,omitempty"`
	URL       string `json:"url,omitempty"`
	Table     string `json:"table,omitempty"`

	inMemory *memory.Storage
}

// newDisk makes room for a node.
func (p *place) newDisk(ctx context.Context, store string) (*disk, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disks++
	d := &disk{Store: store}
	switch store {
	case "memory":
	case "postgres":
		if p.server == nil {
			server, err := startPostgres(ctx, filepath.Join(p.directory, "postgres"))
			if err != nil {
				return nil, err
			}
			p.server = server
		}
		d.URL, d.Table = p.server.url(), fmt.Sprintf("node%d", p.disks)
	default:
		d.Directory = filepath.Join(p.directory, fmt.Sprintf("%s-%d", store, p.disks))
	}
	return d, nil
}

// open opens what is on it.
func (d *disk) open(ctx context.Context) (storage.Storage, error) {
	switch d.Store {
	case "memory":
		if d.inMemory == nil {
			d.inMemory = memory.New()
		} else {
			d.inMemory = d.inMemory.Reopen()
		}
		return d.inMemory, nil
	case "bbolt":
		return bbolt.Open(d.Directory)
	case "badger":
		return badger.OpenWithLogger(d.Directory, quiet())
	case "pebble":
		return pebble.OpenWithLogger(d.Directory, quiet())
	case "postgres":
		return postgres.Open(ctx, d.URL, postgres.Options{Table: d.Table, Logger: quiet()})
	}
	return nil, fmt.Errorf("store %q is not known", d.Store)
}

// remove frees the space. It is called when the storage is closed.
func (d *disk) remove(ctx context.Context) error {
	if d.Table != "" {
		return dropTable(ctx, d.URL, d.Table)
	}
	if d.Directory != "" {
		return os.RemoveAll(d.Directory)
	}
	return nil
}
