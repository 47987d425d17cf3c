// Package static is the discovery whose list of nodes is fixed by the program:
//
//	nodes, err := static.New(
//		discovery.Node{ID: "n1", Address: "10.0.0.1", Port: 7000, Voter: true},
//		discovery.Node{ID: "n2", Address: "10.0.0.2", Port: 7000, Voter: true},
//	)
//
// It is for tests, and for programs that learn of nodes in a way of their own and say so with Update. A list that never changes
// needs no discovery: consensus.WithPeers is enough.
package static

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

// Discovery tells of the nodes it has been given. Registering and unregistering a node has no effect.
type Discovery struct {
	discovery.Discovery
	list *list
}

// New checks the nodes: two with one ID, or one that cannot be reached, are an error. The list may be empty.
func New(nodes ...discovery.Node) (*Discovery, error) {
	l := &list{changed: make(chan struct{})}
	d := &Discovery{Discovery: directory.New(l, nil), list: l}
	if err := d.Update(nodes); err != nil {
		return nil, err
	}
	return d, nil
}

// Update changes the list, before or after Start. After an error the list is what it was.
func (d *Discovery) Update(nodes []discovery.Node) error {
	entries := make([]directory.Entry, 0, len(nodes))
	known := map[string]bool{}
	for i, node := range nodes {
		if err := node.Validate(); err != nil {
			return fmt.Errorf("static discovery: node %d of the list: %w", i+1, err)
		}
		if known[node.ID] {
			return fmt.Errorf("static discovery: node %s is listed twice", node.ID)
		}
		known[node.ID] = true
		node.Tags = maps.Clone(node.Tags)
		entries = append(entries, directory.Entry{Name: node.ID, Node: node})
	}
	if len(entries) > directory.Limit {
		return fmt.Errorf("static discovery: %d nodes are more than %d", len(entries), directory.Limit)
	}
	d.list.set(entries)
	return nil
}

// list is the source.
type list struct {
	directory.ReadOnly

	mu      sync.Mutex
	entries []directory.Entry
	changed chan struct{} // closed by the next change
}

func (l *list) set(entries []directory.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = entries
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *list) get() ([]directory.Entry, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries, l.changed
}

func (l *list) String() string { return "static list" }
func (l *list) Open() error    { return nil }
func (l *list) Close() error   { return nil }

func (l *list) List(context.Context) ([]directory.Entry, error) {
	entries, _ := l.get()
	return entries, nil
}

func (l *list) Follow(ctx context.Context, send func([]directory.Entry)) error {
	for {
		entries, changed := l.get()
		send(entries)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
