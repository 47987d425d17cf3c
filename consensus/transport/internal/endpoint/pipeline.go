package endpoint

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// InFlight is the number of requests that a pipeline has on the way. Two overlap the preparation of one with the way
// of the other; more only queue up in front of the follower's disk and cost latency.
const InFlight = 2

// Stream carries requests to a peer and their answers back, in order. One goroutine sends and one receives. Both
// methods end after the request's Patience, and at once, with an error, after Close.
type Stream interface {
	// Send sends a request.
	Send(request *raft.AppendEntriesRequest) error
	// Receive receives the answer to the oldest request that has been sent and not been answered.
	Receive(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error
	Close() error
}

// Pipeline has several AppendEntries under way on one Stream. After the first error it is of no more use: everything in
// flight fails, and so does every further call.
type Pipeline struct {
	stream   Stream
	patience time.Duration
	shutdown <-chan struct{}
	slots    chan struct{} // one for each request in flight
	sent     chan *future
	done     chan raft.AppendFuture
	closed   chan struct{}
	closing  sync.Once
	hangUp   func() error  // closes the stream, once
	ended    chan struct{} // closed when Run ends
}

// NewPipeline returns a Pipeline that owns the stream; the caller runs its Run on a goroutine. A request waits for those
// before it no longer than patience. The pipeline ends with Close, or when shutdown is closed.
func NewPipeline(stream Stream, patience time.Duration, shutdown <-chan struct{}) *Pipeline {
	return &Pipeline{
		stream:   stream,
		hangUp:   sync.OnceValue(stream.Close),
		patience: patience,
		shutdown: shutdown,
		slots:    make(chan struct{}, InFlight),
		sent:     make(chan *future, InFlight),
		done:     make(chan raft.AppendFuture, InFlight),
		closed:   make(chan struct{}),
		ended:    make(chan struct{}),
	}
}

// AppendEntries sends a request. It waits while too many are in flight, but not for ever.
func (p *Pipeline) AppendEntries(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	f := &future{start: time.Now(), request: request, response: response, done: make(chan struct{})}
	if err := p.takeSlot(); err != nil {
		return nil, err
	}
	if err := p.stream.Send(request); err != nil {
		_ = p.hangUp() // so that what is in flight fails, too
		return nil, err
	}
	p.sent <- f // never blocks: there are as many places as slots
	select {
	case <-p.ended:
		p.failRest()
	default:
	}
	return f, nil
}

func (p *Pipeline) takeSlot() error {
	select {
	case <-p.ended: // comes first, even if there is a slot
		return raft.ErrPipelineShutdown
	default:
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fmt.Errorf("pipeline: %d requests in flight and none answered and taken for %v", InFlight, p.patience)
	case <-p.ended:
		return raft.ErrPipelineShutdown
	}
}

// Consumer returns the channel of answered requests, in the order in which they were sent.
func (p *Pipeline) Consumer() <-chan raft.AppendFuture { return p.done }

// Close ends the pipeline and its stream, and waits for Run. What is in flight fails.
func (p *Pipeline) Close() error {
	p.closing.Do(func() { close(p.closed) })
	err := p.hangUp()
	<-p.ended
	return err
}

// Run matches answers to requests. Once one has failed, the others fail with the same error, until Close.
func (p *Pipeline) Run() {
	defer p.failRest()
	defer close(p.ended)
	defer func() { _ = p.hangUp() }()
	var failure error
	for {
		var f *future
		select {
		case f = <-p.sent:
		case <-p.closed:
			return
		case <-p.shutdown:
			return
		}
		if failure == nil {
			if failure = p.stream.Receive(f.request, f.response); failure != nil {
				_ = p.hangUp() // so that nothing more is sent
			}
		}
		f.finish(failure)
		select {
		case p.done <- f:
		case <-p.closed:
			return
		case <-p.shutdown:
			return
		}
		<-p.slots
	}
}

// failRest ends the requests that nobody waits for any more. Whoever puts one into sent after Run has ended calls
// it, too, so that none is left.
func (p *Pipeline) failRest() {
	for {
		select {
		case f := <-p.sent:
			f.finish(raft.ErrPipelineShutdown)
		default:
			return
		}
	}
}

// future is a request in flight.
type future struct {
	start    time.Time
	request  *raft.AppendEntriesRequest
	response *raft.AppendEntriesResponse
	done     chan struct{}
	err      error
}

func (f *future) finish(err error) {
	f.err = err
	close(f.done)
}

// Error waits for the answer.
func (f *future) Error() error {
	<-f.done
	return f.err
}

func (f *future) Start() time.Time                      { return f.start }
func (f *future) Request() *raft.AppendEntriesRequest   { return f.request }
func (f *future) Response() *raft.AppendEntriesResponse { return f.response }
