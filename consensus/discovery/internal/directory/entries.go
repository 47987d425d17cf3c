package directory

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

// Limit is the number of entries above which a list is taken for a mistake. It is far more than a cluster can have; a
// list cut off at the limit would make nodes vanish, so a longer one is not read at all.
const Limit = 256

// Entry is one entry of a list as it was found.
type Entry struct {
	Name string // what the entry is called where it is kept
	Node discovery.Node
	Err  error // why it could not be read
}

// clean returns the nodes in the order of their IDs, and what is wrong with the entries that are left out. Of
// several different entries with one ID, the first in the order of addresses and ports stays, so that everybody who reads
// the list keeps the same one.
func clean(entries []Entry) (nodes []discovery.Node, problems []string, err error) {
	if len(entries) > Limit {
		return nil, nil, fmt.Errorf("the list has more than %d entries: is it the right one?", Limit)
	}
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Node.ID, b.Node.ID), cmp.Compare(a.Node.Address, b.Node.Address),
			cmp.Compare(a.Node.Port, b.Node.Port), cmp.Compare(a.Name, b.Name))
	})
	nodes = []discovery.Node{}
	for _, entry := range entries {
		err := entry.Err
		if err == nil {
			err = entry.Node.Validate()
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", entry.Name, err))
			continue
		}
		if len(nodes) > 0 && nodes[len(nodes)-1].ID == entry.Node.ID {
			if last := nodes[len(nodes)-1]; !equal(last, entry.Node) {
				problems = append(problems, fmt.Sprintf("%s: node %s is listed again, at %s port %d: %s port %d stays", entry.Name,
					entry.Node.ID, entry.Node.Address, entry.Node.Port, last.Address, last.Port))
			}
			continue
		}
		nodes = append(nodes, entry.Node)
	}
	return nodes, problems, nil
}

func equal(a, b discovery.Node) bool {
	return a.ID == b.ID && a.Address == b.Address && a.Port == b.Port && a.Voter == b.Voter && maps.Equal(a.Tags, b.Tags)
}

// clone makes a list that its reader may change.
func clone(nodes []discovery.Node) []discovery.Node {
	own := make([]discovery.Node, len(nodes))
	for i, node := range nodes {
		node.Tags = maps.Clone(node.Tags)
		own[i] = node
	}
	return own
}

// complaints logs each problem once, for as long as it lasts: lists are read every few seconds.
type complaints struct {
	mu    sync.Mutex
	known []string
}

func (c *complaints) log(logger *slog.Logger, source string, problems []string) {
	c.mu.Lock()
	known := c.known
	c.known = problems
	c.mu.Unlock()
	for _, problem := range problems {
		if !slices.Contains(known, problem) {
			logger.Error("entry of the list of nodes is skipped", "source", source, "problem", problem)
		}
	}
}
