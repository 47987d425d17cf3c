// Package directory is what all discoveries have in common: starting and stopping, watching with an owner for every goroutine,
// trying again after an outage, keeping nodes registered, and sorting out entries that make no sense. What is different, where
// the list is kept, is a [Source].
package directory

import (
	"context"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

// Source is a place where a list of nodes is kept. Its methods are safe for concurrent use and return soon after
// their context has ended. Errors need not name the source.
type Source interface {
	// String names the source in logs and errors, without secrets.
	String() string
	// Open makes ready. It does not wait for an answer of the source: one that is away is back later.
	Open() error
	// Close frees what Open and the other methods have made. None of them runs, or is called again before the next Open.
	Close() error
	// List asks for the list.
	List(ctx context.Context) ([]Entry, error)
	// Follow sends the list now and after each change, until ctx ends or something fails. Lists may be sent in vain.
	Follow(ctx context.Context, send func([]Entry)) error
	// Register returns a registration that has not begun.
	Register(node discovery.Node) Registration
	// Remove takes a node off the list that is not held by a registration of this process.
	Remove(ctx context.Context, id string) error
}

// Registration is one node on the list. Its methods are never called at the same time.
type Registration interface {
	// Keep puts the node on the list, calls ok, and keeps it there until ctx ends or something fails. It is called
	// again after a failure, and leaves the node on the list when it returns.
	Keep(ctx context.Context, ok func()) error
	// Withdraw takes the node off the list, unless another process has put it there since.
	Withdraw(ctx context.Context) error
}

// ReadOnly is the part of a Source whose list is kept by somebody else: nodes are taken without doing anything.
type ReadOnly struct{}

// Register returns a registration without effect.
func (ReadOnly) Register(discovery.Node) Registration { return idle{} }

// Remove does nothing.
func (ReadOnly) Remove(context.Context, string) error { return nil }

type idle struct{}

func (idle) Keep(ctx context.Context, ok func()) error {
	ok()
	<-ctx.Done()
	return ctx.Err()
}

func (idle) Withdraw(context.Context) error { return nil }
