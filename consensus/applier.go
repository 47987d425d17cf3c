package consensus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// applier stands between the engine and the state machine. It contains panics, and it knows what the machine
// has really applied: the engine's own applied index counts what is queued.
//
// Apply, Snapshot and Restore are called by one goroutine of the engine.
type applier struct {
	clusterID string
	machine   StateMachine
	results   ResultMachine // the machine, if it is one
	fail      func(error)   // stops the node
	members   func()        // told when a change of the membership has been committed

	applied atomic.Uint64         // index of the last entry the machine has applied, or that was not for it
	term    uint64                // of that entry; the engine's goroutine alone
	ops     atomic.Uint64         // commands applied
	broken  atomic.Pointer[error] // why the machine is not called any more

	// Of the engine's goroutine alone.
	responses []any  // of the last batch, whose memory is used again
	name      string // of the last entry, which most often is the next one's as well

	mu      sync.Mutex
	waiting []appliedWaiter
	apis    map[string]string // node ID to the address of its API
}

type appliedWaiter struct {
	index uint64
	done  chan struct{}
}

// outcome is what came of a command: the response of its future.
type outcome struct {
	result Result
	err    error
}

func newApplier(clusterID string, machine StateMachine, fail func(error), members func()) *applier {
	a := &applier{clusterID: clusterID, machine: machine, fail: fail, members: members, apis: map[string]string{}}
	a.results, _ = machine.(ResultMachine)
	return a
}

// Apply implements raft.FSM.
func (a *applier) Apply(log *raft.Log) any { return a.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch implements raft.BatchingFSM, through which the engine hands changes of the membership on as well. The
// engine is done with the responses before it calls again.
func (a *applier) ApplyBatch(logs []*raft.Log) []any {
	a.responses = a.responses[:0]
	outcomes := make([]outcome, len(logs))
	for i, log := range logs {
		outcomes[i] = a.apply(log)
		a.responses = append(a.responses, &outcomes[i])
	}
	a.reached(logs[len(logs)-1].Index)
	return a.responses
}

func (a *applier) apply(log *raft.Log) outcome {
	if err := a.brokenBy(); err != nil {
		return outcome{err: err}
	}
	a.term = log.Term
	if log.Type != raft.LogCommand {
		a.members()
		return outcome{}
	}
	e, err := decodeEntry(log.Data, a.name)
	if err != nil {
		// Every node would stop at this entry, which is right: none of them knows what it says.
		a.breakDown(fmt.Errorf("%w: entry %d of the log: %w", ErrLogInconsistent, log.Index, err))
		return outcome{err: a.brokenBy()}
	}
	a.name = e.name
	if e.kind == kindAPI {
		a.setAPI(e.name, string(e.data))
		return outcome{}
	}
	if e.term != 0 && e.term != log.Term {
		return outcome{err: fmt.Errorf("%w: the command is bound to term %d, this is term %d", ErrStaleTerm, e.term, log.Term)}
	}
	return a.command(LogEntry{Index: log.Index, Term: log.Term, Type: e.name, Data: e.data, AppendedAt: sameEverywhere(log.AppendedAt)})
}

func (a *applier) command(entry LogEntry) (o outcome) {
	o.result = Result{Index: entry.Index, Term: entry.Term}
	defer func() {
		if p := recover(); p != nil {
			a.breakDown(fmt.Errorf("%w: applying entry %d (%s): %v\n%s", ErrMachineFailed, entry.Index, entry.Type, p, debug.Stack()))
			o.err = a.brokenBy()
		}
	}()
	var err error
	if a.results != nil {
		o.result.Value, err = a.results.ApplyResult(entry)
	} else {
		err = a.machine.Apply(entry)
	}
	a.ops.Add(1)
	if err != nil {
		o.err = &MachineError{Index: entry.Index, Err: err}
	}
	return o
}

// breakDown keeps the machine from being called again and stops the node.
func (a *applier) breakDown(err error) {
	a.broken.Store(&err)
	a.fail(err)
}

func (a *applier) brokenBy() error {
	if err := a.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// reached publishes what has been applied. A machine that is broken has not applied it.
func (a *applier) reached(index uint64) {
	if a.brokenBy() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if index <= a.applied.Load() {
		return
	}
	a.applied.Store(index)
	kept := a.waiting[:0]
	for _, w := range a.waiting {
		if w.index <= index {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	clear(a.waiting[len(kept):])
	a.waiting = kept
}

// wait returns a channel that is closed once an index has been applied, and a function that ends the wait.
func (a *applier) wait(index uint64) (<-chan struct{}, func()) {
	done := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.applied.Load() >= index {
		close(done)
		return done, func() {}
	}
	a.waiting = append(a.waiting, appliedWaiter{index: index, done: done})
	return done, func() { a.forget(done) }
}

func (a *applier) forget(done chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, w := range a.waiting {
		if w.done == done {
			a.waiting = append(a.waiting[:i], a.waiting[i+1:]...)
			return
		}
	}
}

// query asks the machine. A panic is answered like an error: the state is not in danger.
func (a *applier) query(query any) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, fmt.Errorf("%w on a query: %v\n%s", ErrMachineFailed, p, debug.Stack())
		}
	}()
	return a.machine.Query(query)
}

func (a *applier) setAPI(id, address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apis[id] = address
}

func (a *applier) api(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.apis[id]
}

// snapshotHeader is the first line of a snapshot.
type snapshotHeader struct {
	Format    string            `json:"format"`
	ClusterID string            `json:"clusterID"`
	InMemory  bool              `json:"inMemory"` // the machine gave Data and wants it back
	APIs      map[string]string `json:"apis,omitempty"`
}

const (
	snapshotFormat        = "s3lect-consensus-1"
	largestSnapshotHeader = 1 << 20
)

// Snapshot implements raft.FSM.
func (a *applier) Snapshot() (snapshot raft.FSMSnapshot, err error) {
	if err := a.brokenBy(); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: capturing the state: %v", ErrMachineFailed, p)
			a.breakDown(err)
		}
	}()
	s, err := a.machine.Snapshot()
	if err != nil {
		return nil, err
	}
	if s == nil || s.Data == nil && s.WriteTo == nil {
		return nil, errors.New("the state machine gave a snapshot with neither Data nor WriteTo")
	}
	s.Index, s.Term = a.applied.Load(), a.term
	a.mu.Lock()
	defer a.mu.Unlock()
	return &capturedSnapshot{snapshot: s, header: snapshotHeader{
		Format: snapshotFormat, ClusterID: a.clusterID, InMemory: s.Data != nil, APIs: maps.Clone(a.apis),
	}}, nil
}

type capturedSnapshot struct {
	snapshot *Snapshot
	header   snapshotHeader
}

// Persist implements raft.FSMSnapshot. The engine cancels the sink after an error.
func (c *capturedSnapshot) Persist(sink raft.SnapshotSink) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("state machine panicked while it wrote a snapshot: %v", p)
		}
	}()
	header, err := json.Marshal(c.header)
	if err != nil {
		return fmt.Errorf("encode header: %w", err)
	}
	if _, err := sink.Write(append(header, '\n')); err != nil {
		return err
	}
	if c.snapshot.Data != nil {
		_, err = sink.Write(c.snapshot.Data)
		return err
	}
	return c.snapshot.WriteTo(sink)
}

// Release implements raft.FSMSnapshot.
func (c *capturedSnapshot) Release() {
	if c.snapshot.Release != nil {
		c.snapshot.Release()
	}
}

// Restore implements raft.FSM. The machine may have lost its old state when this fails, so that the node stops.
func (a *applier) Restore(source io.ReadCloser) error {
	if err := a.brokenBy(); err != nil {
		return err
	}
	index, term := position(source)
	if err := a.restore(source, index, term); err != nil {
		a.breakDown(fmt.Errorf("%w: %w", errRestoreFailed, err))
		return a.brokenBy()
	}
	a.term = term
	a.reached(index)
	return nil
}

func (a *applier) restore(source io.Reader, index, term uint64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: restoring a snapshot: %v\n%s", ErrMachineFailed, p, debug.Stack())
		}
	}()
	header, err := readSnapshotHeader(source)
	if err != nil {
		return err
	}
	if applied := a.applied.Load(); index < applied {
		return fmt.Errorf("the snapshot ends with entry %d, and entry %d has been applied", index, applied)
	}
	if header.ClusterID != a.clusterID {
		return fmt.Errorf("%w: the snapshot is of cluster %q, this node is of %q", ErrForeignState, header.ClusterID, a.clusterID)
	}
	snapshot := &Snapshot{Index: index, Term: term, Reader: source}
	if header.InMemory {
		if snapshot.Data, err = io.ReadAll(source); err != nil {
			return fmt.Errorf("read snapshot: %w", err)
		}
		snapshot.Reader = bytes.NewReader(snapshot.Data)
	}
	if err := a.machine.Restore(snapshot); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apis = header.APIs
	if a.apis == nil {
		a.apis = map[string]string{}
	}
	return nil
}

// readSnapshotHeader reads up to the first newline and not a byte further.
func readSnapshotHeader(source io.Reader) (snapshotHeader, error) {
	var line []byte
	var b [1]byte
	for {
		if _, err := io.ReadFull(source, b[:]); err != nil {
			return snapshotHeader{}, fmt.Errorf("read header of snapshot: %w", err)
		}
		if b[0] == '\n' {
			break
		}
		if line = append(line, b[0]); len(line) > largestSnapshotHeader {
			return snapshotHeader{}, fmt.Errorf("header of snapshot is longer than %d bytes", largestSnapshotHeader)
		}
	}
	var header snapshotHeader
	if err := json.Unmarshal(line, &header); err != nil {
		return snapshotHeader{}, fmt.Errorf("read header of snapshot: %w", err)
	}
	if header.Format != snapshotFormat {
		return snapshotHeader{}, fmt.Errorf("snapshot has the format %q, expected %q", header.Format, snapshotFormat)
	}
	return header, nil
}

// sameEverywhere drops what the leader's own copy of a time has and the others' have not: its place and its
// reading of the monotonic clock. A machine that stores the time would come to a state of its own otherwise.
func sameEverywhere(t time.Time) time.Time { return t.UTC().Round(0) }
