package sim

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// ledger is what all machines together have applied. Each entry is compared with what others have applied at its index, and with
// everything before it, by a chain of hashes.
type ledger struct {
	violate func(kind, format string, args ...any)

	mu      sync.Mutex
	entries map[uint64]page
	indexes []uint64       // of the entries, in order
	where   map[int]uint64 // index of a command by its number
}

type page struct {
	term  uint64
	chain uint64
	first string // who applied it first
}

func newLedger(violate func(kind, format string, args ...any)) *ledger {
	return &ledger{violate: violate, entries: map[uint64]page{}, where: map[int]uint64{}}
}

// applied judges that a machine, whose chain was the given one, applies an entry, and returns its new chain.
func (l *ledger) applied(who string, chain uint64, last uint64, entry consensus.LogEntry, c label) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %d %s ", chain, entry.Index, entry.Term, entry.Type)
	h.Write(entry.Data)
	next := h.Sum64()

	l.mu.Lock()
	defer l.mu.Unlock()
	if entry.Index <= last {
		l.violate("backwards", "%s applies index %d after %d", who, entry.Index, last)
	}
	known, ok := l.entries[entry.Index]
	switch {
	case !ok:
		l.entries[entry.Index] = page{term: entry.Term, chain: next, first: who}
		at, _ := slices.BinarySearch(l.indexes, entry.Index)
		l.indexes = slices.Insert(l.indexes, at, entry.Index)
	case known.chain != next:
		l.violate("diverged", "%s applies another entry at index %d of term %d, or after other ones, than %s did in term %d",
			who, entry.Index, entry.Term, known.first, known.term)
	}
	if at, seen := l.where[c.number]; seen && at != entry.Index {
		l.violate("twice", "%s applies command %d at index %d and it had been applied at %d", who, c.number, entry.Index, at)
	}
	l.where[c.number] = entry.Index
	if c.bound != 0 && c.bound != entry.Term {
		l.violate("wrong-term", "%s applies command %d of term %d, which was bound to term %d", who, c.number, entry.Term, c.bound)
	}
	return next
}

// restored judges that a machine takes over the state after an index.
func (l *ledger) restored(who string, index, chain uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.entries[index]; index != 0 && (!ok || known.chain != chain) {
		l.violate("diverged", "%s restores a snapshot of index %d that nobody has had", who, index)
	}
}

// at returns the index and term at which a command was applied; 0 if it never was.
func (l *ledger) at(number int) (index, term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	index = l.where[number]
	return index, l.entries[index].term
}

// before returns the highest index of a command up to the given one.
func (l *ledger) before(index uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, found := slices.BinarySearch(l.indexes, index)
	switch {
	case found:
		return index
	case at == 0:
		return 0
	}
	return l.indexes[at-1]
}

// last returns the highest index of a command.
func (l *ledger) last() uint64 { return l.before(math.MaxUint64) }
