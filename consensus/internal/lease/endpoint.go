package lease

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// Options say whose endpoint it is.
type Options struct {
	Self raft.ServerID
	// ElectionTimeout is the least time without a leader after which this node stands for election, and what it asks of
	// others when it leads: that they withhold their votes for as long. They do so for the longer one of theirs and its.
	ElectionTimeout time.Duration
	// Voters returns those of the newest membership, committed or not, as Raft demands. It may be called by any goroutine.
	Voters func() []raft.ServerID
	// HoldBack is for how long votes are withheld from now on: the node has data, so it may have answered a leader just
	// before it ended.
	HoldBack time.Duration
	// Remember returns once it is on stable storage that this node promises its silence for as long; nil if the nodes of the
	// cluster never have different time-outs.
	Remember func(time.Duration) error
	// Screen may answer requests that are neither votes nor heartbeats, and says whether it has; nil if there is nothing to be
	// screened. It is called in the order in which the engine takes them, and may ask the engine itself.
	Screen func(raft.RPC, Ask) bool
	// Steady says whether the engine is a follower in a term. Without it all heartbeats wait for their turn; with it,
	// BecomesCandidate has to be called.
	Steady func(term uint64) bool
	// Trim may return another request in the place of one with entries; nil if none is ever to be replaced.
	Trim func(*raft.AppendEntriesRequest) *raft.AppendEntriesRequest
}

// Ask has the engine answer a request. It returns false if the endpoint is closed before.
type Ask func(raft.RPC) (raft.RPCResponse, bool)

// Duration is how long a lease lasts for a least election time-out: a tenth less, which is twice the 5 % by which
// clocks may differ.
func Duration(electionTimeout time.Duration) time.Duration { return electionTimeout * 9 / 10 }

// Endpoint wraps a node's end of the network. Its methods are safe for concurrent use.
type Endpoint struct {
	transport.Endpoint
	leader leaderSide
	voter  voterSide

	screen func(raft.RPC, Ask) bool
	steady func(term uint64) bool
	trim   func(*raft.AppendEntriesRequest) *raft.AppendEntriesRequest

	following sync.RWMutex // held while a heartbeat takes the shortcut

	incoming chan raft.RPC
	closing  chan struct{}
	closed   sync.Once
	done     chan struct{}
}

// New wraps an endpoint, which is closed with it.
func New(inner transport.Endpoint, options Options) *Endpoint {
	e := &Endpoint{
		Endpoint: inner,
		screen:   options.Screen,
		steady:   options.Steady,
		trim:     options.Trim,
		incoming: make(chan raft.RPC),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	e.leader.init(options)
	e.voter.init(options)
	go e.receive()
	return e
}

// Close closes the endpoint and waits for its goroutine.
func (e *Endpoint) Close() error {
	e.closed.Do(func() { close(e.closing) })
	err := e.Endpoint.Close()
	<-e.done
	return err
}

// Consumer implements raft.Transport.
func (e *Endpoint) Consumer() <-chan raft.RPC { return e.incoming }

// receive hands requests to the engine, one after the other as the engine takes them, and has the voter's side look
// at votes and at heartbeats.
func (e *Endpoint) receive() {
	defer close(e.done)
	for {
		select {
		case rpc := <-e.Endpoint.Consumer():
			e.hand(rpc)
		case <-e.closing:
			return
		}
	}
}

func (e *Endpoint) hand(rpc raft.RPC) {
	switch request := rpc.Command.(type) {
	case *raft.RequestVoteRequest:
		e.handVote(rpc, request)
	case *raft.RequestPreVoteRequest:
		if e.voter.withholds(false) {
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header}, nil)
			return
		}
		e.pass(rpc)
	case *raft.TimeoutNowRequest:
		if !e.voter.mayStand() {
			rpc.Respond(nil, errNotToStand)
			return
		}
		e.pass(rpc)
	case *raft.AppendEntriesRequest:
		if !isHeartbeat(request) {
			if err := checkEntries(request); err != nil {
				rpc.Respond(nil, err)
				return
			}
			if e.trim != nil {
				request = e.trim(request)
			}
			rpc.Command = boundCommit(request)
			e.pass(rpc)
			return
		}
		if answer, ok := e.ask(raft.RPC{Command: rpc.Command}); ok {
			rpc.RespChan <- e.voter.answer(request, answer)
		}
	default:
		if e.screen == nil || !e.screen(rpc, e.ask) {
			e.pass(rpc)
		}
	}
}

// checkEntries refuses entries that do not follow each other, for which the log would give up what it has.
func checkEntries(request *raft.AppendEntriesRequest) error {
	for i, entry := range request.Entries {
		if expected := request.PrevLogEntry + uint64(i) + 1; entry.Index != expected {
			return fmt.Errorf("entry %d was sent where entry %d was expected", entry.Index, expected)
		}
	}
	return nil
}

// boundCommit returns a request that commits no more than it has compared: the Raft paper (figure 2) has a follower commit
// up to the last new entry, and the engine commits up to the end of its own log, which may be another one from there on.
func boundCommit(request *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	compared := request.PrevLogEntry + uint64(len(request.Entries))
	if request.LeaderCommitIndex <= compared {
		return request
	}
	bounded := *request
	bounded.LeaderCommitIndex = compared
	return &bounded
}

// header is that of answers which the engine does not give itself.
var header = raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}

func (e *Endpoint) pass(rpc raft.RPC) bool {
	select {
	case e.incoming <- rpc:
		return true
	case <-e.closing:
		return false
	}
}

// ask hands a request to the engine and waits for its answer.
func (e *Endpoint) ask(rpc raft.RPC) (raft.RPCResponse, bool) {
	answers := make(chan raft.RPCResponse, 1)
	rpc.RespChan = answers
	if !e.pass(rpc) {
		return raft.RPCResponse{}, false
	}
	select {
	case answer := <-answers:
		return answer, true
	case <-e.closing:
		return raft.RPCResponse{}, false
	}
}

// handVote lets the engine decide on a vote while no heartbeat is answered. The engine takes no other request
// meanwhile, so that waiting here holds nothing up.
func (e *Endpoint) handVote(rpc raft.RPC, request *raft.RequestVoteRequest) {
	if !e.voter.beginVote(request.LeadershipTransfer) {
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header}, nil)
		return
	}
	granted := uint64(0)
	defer func() { e.voter.endVote(granted) }()
	answer, ok := e.ask(raft.RPC{Command: rpc.Command})
	if !ok {
		return
	}
	if response, ok := answer.Response.(*raft.RequestVoteResponse); ok && response.Granted {
		granted = request.Term
	}
	rpc.RespChan <- answer
}

// SetHeartbeatHandler implements raft.Transport. The engine answers heartbeats in a goroutine beside the one that gives its
// votes, so that a slow disk or machine does not look like a dead node. But where it is not a follower of the heartbeat's
// term it also writes the term there: the term could go back, and a vote be given twice. Then heartbeats wait for their turn.
func (e *Endpoint) SetHeartbeatHandler(handle func(raft.RPC)) {
	if handle == nil || e.steady == nil {
		return
	}
	e.Endpoint.SetHeartbeatHandler(func(rpc raft.RPC) {
		request, ok := rpc.Command.(*raft.AppendEntriesRequest)
		if !ok {
			e.pass(rpc)
			return
		}
		answers := make(chan raft.RPCResponse, 1)
		if !e.shortcut(request.Term, func() { handle(raft.RPC{Command: rpc.Command, RespChan: answers}) }) {
			if answer, ok := e.ask(raft.RPC{Command: rpc.Command}); ok {
				rpc.RespChan <- e.voter.answer(request, answer)
			}
			return
		}
		select {
		case answer := <-answers:
			rpc.RespChan <- e.voter.answer(request, answer)
		default: // the engine has ended and answers nothing
			rpc.RespChan <- raft.RPCResponse{Error: raft.ErrRaftShutdown}
		}
	})
}

// shortcut runs a function if the engine follows the leader of a term, and keeps it from becoming a candidate meanwhile.
func (e *Endpoint) shortcut(term uint64, f func()) bool {
	e.following.RLock()
	defer e.following.RUnlock()
	if !e.steady(term) {
		return false
	}
	f()
	return true
}

// BecomesCandidate is called by whoever observes the engine, in the engine's own goroutine, when it has become a
// candidate: what it does next must not meet a heartbeat that has seen a follower.
func (e *Endpoint) BecomesCandidate() {
	e.following.Lock()   // once those who hold it are done
	e.following.Unlock() //nolint:gocritic,staticcheck // there is nothing to do in between
}

// AppendEntries implements raft.Transport. Heartbeats come this way; entries do, too, until a follower is up to date.
func (e *Endpoint) AppendEntries(id raft.ServerID, target raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	if !isHeartbeat(request) {
		err := e.Endpoint.AppendEntries(id, target, request, response)
		if err == nil && response.Success {
			e.leader.enter(request.Term)
		}
		return err
	}
	sent, marked := e.leader.beat()
	*response = raft.AppendEntriesResponse{}
	err := e.Endpoint.AppendEntries(id, target, stamp{marked, sent.number, e.voter.timeout}.on(request), response)
	if err == nil && response.Success && response.Term == request.Term {
		sent.last = response.LastLog
		e.leader.answered(id, request.Term, sent)
	}
	return err
}

// isHeartbeat says whether a request is one that the engine sends for no other purpose than to be heard of.
func isHeartbeat(request *raft.AppendEntriesRequest) bool {
	return request.Term != 0 && request.PrevLogEntry == 0 && request.PrevLogTerm == 0 &&
		len(request.Entries) == 0 && request.LeaderCommitIndex == 0
}

// AppendEntriesPipeline implements raft.Transport. The engine calls it once it has brought a member up to date, also where there
// are no pipelines.
func (e *Endpoint) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p := e.leader.opening(id)
	pipeline, err := e.Endpoint.AppendEntriesPipeline(id, target)
	p.AppendPipeline = pipeline
	if err == nil || errors.Is(err, raft.ErrPipelineReplicationNotSupported) {
		e.leader.caughtUp(p)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// watchedPipeline is closed by the engine at every error, when the member is removed, and at the end of the leadership.
type watchedPipeline struct {
	raft.AppendPipeline
	id     raft.ServerID
	term   uint64
	number uint64 // in the order in which they were asked for
	leader *leaderSide
}

// Close implements raft.AppendPipeline.
func (p *watchedPipeline) Close() error {
	p.leader.fellBehind(p)
	return p.AppendPipeline.Close()
}

// RequestVote implements raft.Transport. A candidate has given its own vote already: what it has answered to a leader
// must not be broken by asking for others.
func (e *Endpoint) RequestVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestVoteRequest, response *raft.RequestVoteResponse) error {
	if err := e.voter.stand(request.Term, request.LeadershipTransfer); err != nil {
		return err
	}
	return e.Endpoint.RequestVote(id, target, request, response)
}
