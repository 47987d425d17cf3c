package lease

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

var (
	errPromised = errors.New("this node has answered a leader a moment ago and does not stand for election yet")
	errVoting   = errors.New("this node has given its vote to another node, or is about to")
)

// voterSide keeps the promise that is in an answered heartbeat.
type voterSide struct {
	timeout time.Duration

	mu       sync.Mutex
	promised time.Time // until when no vote is given
	term     uint64    // of the newest heartbeat that was answered
	number   uint64    // of the newest heartbeat of that term that was answered
	released bool      // that one was marked: its leader hands leadership on
	voting   int       // votes being given
	voted    uint64    // newest term in which a vote was given or asked for
	given    uint64    // newest term in which it was given to another node
}

func (v *voterSide) init(options Options) {
	v.timeout = options.ElectionTimeout
	if options.HoldBack {
		v.promised = time.Now().Add(v.timeout)
	}
}

// withholds says whether a vote must not be given now.
func (v *voterSide) withholds(transfer bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bound(transfer)
}

// bound is withholds for callers that hold mu.
func (v *voterSide) bound(transfer bool) bool {
	return time.Now().Before(v.promised) && (!transfer || !v.released)
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
	number, marked := readStamp(request)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.voting > 0 || request.Term < v.voted {
		return raft.RPCResponse{Error: errVoting}
	}
	if request.Term > v.term {
		v.term, v.number, v.released = request.Term, 0, false
	}
	if request.Term == v.term && number >= v.number {
		// One that was overtaken does not undo a mark, nor set one again.
		v.number, v.released = number, marked
	}
	v.promised = time.Now().Add(v.timeout)
	return answer
}

// A heartbeat is stamped in a field that only versions of the engine that are long gone have read: a byte that says
// whether it is marked, and the number of the heartbeat.
const stampSize = 9

// stamped returns a copy of a heartbeat with a stamp.
func stamped(request *raft.AppendEntriesRequest, number uint64, marked bool) *raft.AppendEntriesRequest {
	stamp := make([]byte, 1, stampSize)
	if marked {
		stamp[0] = 1
	}
	beat := *request
	beat.Leader = binary.BigEndian.AppendUint64(stamp, number) //nolint:staticcheck // that nobody else uses it any more is what it is chosen for
	return &beat
}

func readStamp(request *raft.AppendEntriesRequest) (number uint64, marked bool) {
	stamp := request.Leader //nolint:staticcheck // see stamped
	if len(stamp) != stampSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(stamp[1:]), stamp[0] == 1
}
