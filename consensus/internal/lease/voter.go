package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

var (
	errPromised   = errors.New("this node has answered a leader a moment ago and does not stand for election yet")
	errVoting     = errors.New("this node has given its vote to another node, or is about to")
	errNotToStand = errors.New("no leader hands its leadership on to this node any more")
)

// voterSide keeps the promise that is in an answered heartbeat.
type voterSide struct {
	timeout  time.Duration
	remember func(time.Duration) error

	mu       sync.Mutex
	held     time.Time // until when promises of an earlier run are kept
	promised time.Time // until when no vote is given
	term     uint64    // of the newest heartbeat that was answered
	number   uint64    // of the newest heartbeat of that term that was answered
	released bool      // that one was marked: its leader hands leadership on
	voting   int       // votes being given
	voted    uint64    // newest term in which a vote was given or asked for
	given    uint64    // newest term in which it was given to another node
}

func (v *voterSide) init(options Options) {
	v.timeout, v.remember = options.ElectionTimeout, options.Remember
	v.held = time.Now().Add(options.HoldBack)
}

// withholds says whether a vote must not be given now.
func (v *voterSide) withholds(transfer bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bound(transfer)
}

// bound is withholds for callers that hold mu. No mark lifts what was promised in an earlier run: it may be older than that.
func (v *voterSide) bound(transfer bool) bool {
	now := time.Now()
	return now.Before(v.held) || now.Before(v.promised) && (!transfer || !v.released)
}

// mayStand says whether a leader that was answered hands its leadership on, and nobody has been voted for since. One that leads
// on would lose its leadership to a node that stands for election in vain.
func (v *voterSide) mayStand() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.released && v.voted <= v.term && !v.bound(true)
}

// beginVote says whether the engine may decide on a vote. If so, no heartbeat is answered until endVote.
func (v *voterSide) beginVote(transfer bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bound(transfer) {
		return false
	}
	v.voting++
	return true
}

// endVote is told the term of a vote that was granted, or 0.
func (v *voterSide) endVote(granted uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.voting--
	v.voted = max(v.voted, granted)
	v.given = max(v.given, granted)
}

// stand is called before others are asked for their votes.
func (v *voterSide) stand(term uint64, transfer bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if term <= v.given {
		return errVoting
	}
	// The first request for a term decides for the others, so that no heartbeat can come between them.
	if v.voted >= term {
		return nil
	}
	if v.bound(transfer) {
		return errPromised
	}
	v.voted = term
	return nil
}

// answer turns the engine's answer to a heartbeat into a promise, or into an error where none can be given.
func (v *voterSide) answer(request *raft.AppendEntriesRequest, answer raft.RPCResponse) raft.RPCResponse {
	response, ok := answer.Response.(*raft.AppendEntriesResponse)
	if !ok || answer.Error != nil || !response.Success {
		return answer
	}
	asked := readStamp(request)
	promise := max(v.timeout, asked.promise)
	if v.remember != nil {
		if err := v.remember(promise); err != nil {
			return raft.RPCResponse{Error: fmt.Errorf("remember a promise: %w", err)}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.voting > 0 || request.Term < v.voted {
		return raft.RPCResponse{Error: errVoting}
	}
	if request.Term > v.term {
		v.term, v.number, v.released = request.Term, 0, false
	}
	if request.Term == v.term && asked.number >= v.number {
		// One that was overtaken does not undo a mark, nor set one again.
		v.number, v.released = asked.number, asked.marked
	}
	// What was promised to leaders of earlier terms is over: who gave this one their votes kept it.
	v.promised = time.Now().Add(promise)
	if v.promised.Before(v.held) {
		v.held = v.promised
	}
	return answer
}

// stamp is in each heartbeat, in a field that only versions of the engine that are long gone have read.
type stamp struct {
	marked  bool          // the leader hands its leadership on
	number  uint64        // of the heartbeat
	promise time.Duration // for how long no votes are to be given
}

const (
	stampSize = 17
	// LongestPromise is more than any node asks for. It keeps a damaged stamp from silencing a node for years.
	LongestPromise = time.Hour
)

// on returns a copy of a heartbeat with the stamp.
func (s stamp) on(request *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	field := make([]byte, 1, stampSize)
	if s.marked {
		field[0] = 1
	}
	field = binary.BigEndian.AppendUint64(field, s.number)
	beat := *request
	beat.Leader = binary.BigEndian.AppendUint64(field, uint64(s.promise)) //nolint:staticcheck // that nobody else uses the field any more is what it is chosen for
	return &beat
}

func readStamp(request *raft.AppendEntriesRequest) stamp {
	field := request.Leader //nolint:staticcheck // see on
	if len(field) != stampSize {
		return stamp{}
	}
	return stamp{
		marked:  field[0] == 1,
		number:  binary.BigEndian.Uint64(field[1:]),
		promise: time.Duration(min(binary.BigEndian.Uint64(field[9:]), uint64(LongestPromise))),
	}
}
