package election

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/hashicorp/raft"
)

// The keys under which the engine keeps what it must not forget. It needs no others.
const (
	keyCurrentTerm = "CurrentTerm"
	keyVotedTerm   = "LastVoteTerm"
	keyVotedFor    = "LastVoteCand"
)

// errNotFound has the text by which the engine knows that there is no value.
var errNotFound = errors.New("not found")

// votes is the engine's stable store: a record in a file, or in memory only.
//
// After a write that has failed nobody knows what is on the disk. No vote is given from then on, and failed is called once.
type votes struct {
	path   string // empty: memory
	lock   *flock.Flock
	failed func(error)

	mu     sync.Mutex
	record votesRecord
	broken error
}

var _ raft.StableStore = (*votes)(nil)

// openVotes locks and reads the file of a node, or makes it.
func openVotes(c Config, members membership, failed func(error)) (*votes, error) {
	v := &votes{path: c.VotesFile, failed: failed, record: votesRecord{
		Node:            c.Node.ID,
		Generation:      members.Generation,
		Members:         members.identity(),
		ElectionTimeout: c.ElectionTimeout,
		CurrentTerm:     members.firstTerm(),
	}}
	if v.path == "" {
		return v, nil
	}
	if err := v.open(); err != nil {
		return nil, errors.Join(&VotesError{Path: v.path, Err: err}, v.close())
	}
	return v, nil
}

func (v *votes) open() error {
	if err := checkDirectory(v.path); err != nil {
		return err
	}
	if err := v.acquire(); err != nil {
		return err
	}
	kept, err := readVotes(v.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := v.adopt(kept); err != nil {
			return err
		}
	}
	return writeVotes(v.path, v.record) // finds a disk that is full, or cannot be written, before there is a vote to lose
}

// acquire locks a file beside the votes: their own is replaced with each write.
func (v *votes) acquire() error {
	lock := flock.New(v.path + ".lock")
	locked, err := lock.TryLock()
	switch {
	case err != nil:
		return fmt.Errorf("lock: %w", err)
	case !locked:
		return errors.New("another process uses it: each node needs a file of its own")
	}
	v.lock = lock
	return nil
}

// adopt takes over what was kept, if it is this node's and this membership's.
func (v *votes) adopt(kept votesRecord) error {
	now := v.record
	switch {
	case kept.Node != now.Node:
		return fmt.Errorf("%w: they are those of node %s, and this is node %s; give each node a file of its own",
			ErrForeignVotes, kept.Node, now.Node)
	case kept.Generation > now.Generation:
		return fmt.Errorf("%w: they are of generation %d, and Generation is %d; it must be the same on all nodes, and never less "+
			"than before", ErrForeignVotes, kept.Generation, now.Generation)
	case kept.Generation == now.Generation && !reflect.DeepEqual(kept.Members, now.Members):
		return fmt.Errorf("%w: they are of members %s, and the members are %s now; raise Generation from %d to %d on every "+
			"node of the fleet (the package documentation says how), or correct Peers", ErrForeignVotes,
			describe(kept.Members), describe(now.Members), now.Generation, now.Generation+1)
	}
	if kept.Generation == now.Generation { // votes of an earlier generation say nothing about this one's terms
		v.record.CurrentTerm, v.record.VotedTerm, v.record.VotedFor = kept.CurrentTerm, kept.VotedTerm, kept.VotedFor
	}
	v.record.ElectionTimeout = max(kept.ElectionTimeout, now.ElectionTimeout)
	return nil
}

func describe(nodes []Node) string {
	text := ""
	for i, node := range nodes {
		if i > 0 {
			text += ", "
		}
		text += node.ID + " at " + node.Address
		if node.NoVote {
			text += " (no vote)"
		}
	}
	return text
}

// longestPromise is how long the node may have to keep silent after a restart.
func (v *votes) longestPromise() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.record.ElectionTimeout
}

// settle forgets a longer election time-out of an earlier run, once the promises made then are over.
func (v *votes) settle(electionTimeout time.Duration) error {
	return v.change(func(r *votesRecord) { r.ElectionTimeout = electionTimeout })
}

func (v *votes) change(f func(*votesRecord)) error {
	v.mu.Lock()
	first := v.broken == nil
	err := v.write(f)
	v.mu.Unlock()
	if err != nil && first {
		v.failed(err)
	}
	return err
}

// write keeps the record, with mu held: the engine, its only caller, waits for the disk by design.
func (v *votes) write(f func(*votesRecord)) error {
	before := v.record
	f(&v.record)
	if v.broken != nil {
		return v.broken
	}
	if v.path == "" || reflect.DeepEqual(v.record, before) {
		return nil
	}
	if err := writeVotes(v.path, v.record); err != nil {
		v.broken = &VotesError{Path: v.path, Err: err}
	}
	return v.broken
}

// SetUint64 keeps a term.
func (v *votes) SetUint64(key []byte, value uint64) error {
	switch string(key) {
	case keyCurrentTerm:
		// The engine panics if this fails. It may go on for the moment that it takes to stop it: a term that is forgotten is
		// harmless as long as no vote is given in it, and no vote is given after a failure.
		_ = v.change(func(r *votesRecord) { r.CurrentTerm = value })
		return nil
	case keyVotedTerm:
		return v.change(func(r *votesRecord) { r.VotedTerm = value })
	}
	return fmt.Errorf("votes have no number %q", key)
}

// Set keeps the candidate that was voted for.
func (v *votes) Set(key, value []byte) error {
	if string(key) != keyVotedFor {
		return fmt.Errorf("votes have no value %q", key)
	}
	return v.change(func(r *votesRecord) { r.VotedFor = string(value) })
}

// GetUint64 returns a term.
func (v *votes) GetUint64(key []byte) (uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case string(key) == keyCurrentTerm:
		return v.record.CurrentTerm, nil
	case string(key) == keyVotedTerm && v.record.VotedTerm > 0:
		return v.record.VotedTerm, nil
	}
	return 0, errNotFound
}

// Get returns the candidate that was voted for.
func (v *votes) Get(key []byte) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if string(key) == keyVotedFor && v.record.VotedFor != "" {
		return []byte(v.record.VotedFor), nil
	}
	return nil, errNotFound
}

// close gives the file free for another process.
func (v *votes) close() error {
	if v.lock == nil {
		return nil
	}
	return v.lock.Unlock()
}
