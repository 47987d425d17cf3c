package consensus

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/lease"
)

// The engine takes every snapshot that its leader sends and leaves the log beside it as it is. Section 7 of the Raft paper
// (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014, figure 13) asks for more: a
// snapshot that the log already covers changes nothing, and a log that contradicts a snapshot is discarded. Without that, a
// late snapshot turns the state machine back, a follower whose log contradicts its own snapshot rejects everything for ever,
// and it gives its vote by the end of a log that is not valid any more. This file does what is missing, around the engine.

// screenInstall handles a snapshot that a leader sends, and says whether it has. It runs in the goroutine that hands
// requests to the engine, so that nothing comes between its steps.
func (n *Node) screenInstall(rpc raft.RPC, ask lease.Ask) bool {
	request, ok := rpc.Command.(*raft.InstallSnapshotRequest)
	engine := n.engine.Load()
	if !ok || engine == nil {
		return false
	}
	term := engine.CurrentTerm()
	if request.Term >= term && n.covers(request.LastLogIndex, request.LastLogTerm) {
		n.logger.Debug("snapshot that is covered already was not installed", "index", request.LastLogIndex)
		answerCovered(rpc, term)
		return true
	}
	answer, ok := ask(raft.RPC{Command: rpc.Command, Reader: rpc.Reader})
	if !ok {
		return true // the node ends, and nobody waits for the answer
	}
	if response, ok := answer.Response.(*raft.InstallSnapshotResponse); ok && answer.Error == nil && response.Success {
		if err := n.endLogWith(engine, edge{request.LastLogIndex, request.LastLogTerm}, ask); err != nil {
			n.fail(err)
			answer = raft.RPCResponse{Error: err}
		}
	}
	rpc.RespChan <- answer
	return true
}

// trimApplied leaves out of a request what lies before the end of the newest snapshot. This node agrees up to there with every
// leader, but the engine looks for the entries in the log, where they are not any more, and refuses.
func (n *Node) trimApplied(request *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	if n.engine.Load() == nil {
		return request
	}
	newest := n.snapshots.newest.Load()
	if newest == nil || request.PrevLogEntry >= newest.index || newest.index > n.applier.applied.Load() {
		return request
	}
	trimmed := *request
	known := min(newest.index-request.PrevLogEntry, uint64(len(request.Entries)))
	trimmed.PrevLogEntry, trimmed.PrevLogTerm = newest.index, newest.term
	trimmed.Entries = request.Entries[known:]
	return &trimmed
}

// covers says whether this node has the entry, applied or in its log.
func (n *Node) covers(index, term uint64) bool {
	if index <= n.applier.applied.Load() {
		return true
	}
	var entry raft.Log
	// Beneath the edge of the newest snapshot, which may be one that could not be restored.
	return n.log.LogStore.GetLog(index, &entry) == nil && entry.Term == term
}

func answerCovered(rpc raft.RPC, term uint64) {
	if rpc.Reader != nil {
		if _, err := io.Copy(io.Discard, rpc.Reader); err != nil {
			rpc.Respond(nil, fmt.Errorf("read snapshot: %w", err))
			return
		}
	}
	rpc.Respond(&raft.InstallSnapshotResponse{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax},
		Term:      term, Success: true,
	}, nil)
}

// endLogWith has the engine discard a log that contradicts the snapshot it has just installed. The engine remembers the
// end of its log and compares entries and votes with that, so that the log alone cannot be changed: it is sent the last
// entry of the snapshot, as if by the leader it knows, and finds that its own is another one.
func (n *Node) endLogWith(engine *raft.Raft, snapshot edge, ask lease.Ask) error {
	first, err := n.log.FirstIndex()
	if err != nil || first == 0 {
		return err
	}
	last, err := n.log.LastIndex()
	if err != nil {
		return err
	}
	if last < snapshot.index {
		return n.log.DeleteRange(first, last)
	}
	n.log.contradicted.Store(snapshot.index)
	defer n.log.contradicted.Store(0)
	for !n.sendLast(engine, snapshot, ask) {
		select {
		case <-n.ending:
			return nil // the log is looked at when the node starts again
		case <-time.After(time.Millisecond): // the term has changed meanwhile
		}
	}
	first, err = n.log.FirstIndex()
	if err != nil || first >= snapshot.index {
		return err
	}
	return n.log.DeleteRange(first, snapshot.index-1)
}

// sendLast says whether the engine has taken the entry.
func (n *Node) sendLast(engine *raft.Raft, last edge, ask lease.Ask) bool {
	address, id := engine.LeaderWithID()
	answer, ok := ask(raft.RPC{Command: &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(id), Addr: []byte(address)},
		Term:      engine.CurrentTerm(),
		Entries:   []*raft.Log{{Index: last.index, Term: last.term, Type: raft.LogNoop}},
	}})
	if !ok || answer.Error != nil {
		return false
	}
	response, ok := answer.Response.(*raft.AppendEntriesResponse)
	return ok && response.Success
}

// discardContradiction removes a log that a snapshot contradicts before the engine has looked at it: the process ended
// between the two steps above.
func discardContradiction(log raft.LogStore, snapshot edge) error {
	first, err := log.FirstIndex()
	if err != nil || first == 0 {
		return err
	}
	last, err := log.LastIndex()
	if err != nil {
		return err
	}
	if first > snapshot.index+1 {
		return nil // a gap, which is for others to say
	}
	if last < snapshot.index {
		return log.DeleteRange(first, last)
	}
	var entry raft.Log
	if err := log.GetLog(max(first, snapshot.index), &entry); err != nil {
		return err
	}
	if entry.Index == snapshot.index && entry.Term == snapshot.term || entry.Index > snapshot.index && entry.Term >= snapshot.term {
		return nil
	}
	return log.DeleteRange(first, last)
}

// snapshotEdge is a log that knows the last entry of the newest snapshot even where the entry is gone: a leader that
// asks whether this node agrees up to there is told that it does.
type snapshotEdge struct {
	raft.LogStore
	snapshots *watchedSnapshots
	// contradicted is an entry that is another one than the engine is told; 0 if there is none.
	contradicted atomic.Uint64
}

// madeUp is the type of an entry that is there to be compared. Should one be sent, no node takes it.
const madeUp raft.LogType = 255

// GetLog implements raft.LogStore.
func (s *snapshotEdge) GetLog(index uint64, log *raft.Log) error {
	if index != 0 && index == s.contradicted.Load() {
		*log = raft.Log{Index: index, Type: madeUp}
		return nil
	}
	err := s.LogStore.GetLog(index, log)
	if !errors.Is(err, raft.ErrLogNotFound) {
		return err
	}
	// The first entry is never asked for in order to compare it, only in order to be sent.
	edge := s.snapshots.newest.Load()
	if edge == nil || edge.index != index || index < 2 {
		return err
	}
	*log = raft.Log{Index: index, Term: edge.term, Type: madeUp}
	return nil
}
