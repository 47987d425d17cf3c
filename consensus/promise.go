package consensus

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
)

// promises keeps on stable storage for how long at most this node has promised its silence to a leader: its own least election
// time-out, or that of a leader with a longer one. A node that is started again holds back for as long.
type promises struct {
	store raft.StableStore
	turn  chan struct{} // held while kept is changed
	kept  time.Duration // on stable storage
	// longest is that of this run. It is never above kept.
	longest atomic.Int64
}

// promiseKey is where it is kept.
var promiseKey = []byte("s3lect:promise")

// newPromises also returns for how long the node has to hold back.
func newPromises(store raft.StableStore, own time.Duration, hasData bool) (*promises, time.Duration, error) {
	stored, err := store.GetUint64(promiseKey)
	if err != nil && err.Error() != missing {
		return nil, 0, err
	}
	if stored > math.MaxInt64 {
		return nil, 0, &raftstore.CorruptError{What: string(promiseKey), Err: fmt.Errorf("a promise of %d nanoseconds is kept, which nobody ever makes", stored)}
	}
	earlier := time.Duration(stored)
	p := &promises{store: store, turn: make(chan struct{}, 1), kept: earlier}
	if err := p.remember(own); err != nil {
		return nil, 0, err
	}
	if !hasData {
		return p, 0, nil
	}
	return p, max(own, earlier), nil
}

// remember returns once a promise for as long is on stable storage.
func (p *promises) remember(promise time.Duration) error {
	if int64(promise) <= p.longest.Load() {
		return nil
	}
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	if promise > p.kept {
		if err := p.keep(promise); err != nil {
			return err
		}
	}
	p.longest.Store(max(p.longest.Load(), int64(promise)))
	return nil
}

// lower is called once the promises of earlier runs have been kept.
func (p *promises) lower() error {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	if longest := time.Duration(p.longest.Load()); longest < p.kept {
		p.kept = longest // also if the write fails: it may have happened all the same
		return p.keep(longest)
	}
	return nil
}

func (p *promises) keep(promise time.Duration) error {
	if err := p.store.SetUint64(promiseKey, uint64(promise)); err != nil {
		return err
	}
	p.kept = promise
	return nil
}
