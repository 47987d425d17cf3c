package sim

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// pipelineDepth is how many messages may be under way on one connection.
const pipelineDepth = 32

// pipeline is one connection on which messages are sent without waiting for answers. They arrive and are answered in
// their order, and whatever goes wrong with one of them is the end of the connection.
type pipeline struct {
	end      *endpoint
	to       raft.ServerAddress
	sent     chan *flight
	answered chan *flight
	done     chan raft.AppendFuture
	broken   chan struct{} // closed when nothing is carried any more
	closed   chan struct{}
	closing  sync.Once
}

// flight is one message under way.
type flight struct {
	start    time.Time
	arrives  time.Time
	request  *raft.AppendEntriesRequest
	response *raft.AppendEntriesResponse
	answer   chan raft.RPCResponse
	ended    chan struct{}
	err      error // to be read once ended is closed
}

func (f *flight) Error() error {
	<-f.ended
	return f.err
}

func (f *flight) Start() time.Time                      { return f.start }
func (f *flight) Request() *raft.AppendEntriesRequest   { return f.request }
func (f *flight) Response() *raft.AppendEntriesResponse { return f.response }

func (e *endpoint) AppendEntriesPipeline(_ raft.ServerID, to raft.ServerAddress) (raft.AppendPipeline, error) {
	if e.isClosed() {
		return nil, errClosed
	}
	p := &pipeline{
		end: e, to: to, broken: make(chan struct{}), closed: make(chan struct{}),
		sent: make(chan *flight, pipelineDepth), answered: make(chan *flight, pipelineDepth), done: make(chan raft.AppendFuture, pipelineDepth),
	}
	e.net.underway.Go(p.carry)
	e.net.underway.Go(p.answer)
	return p, nil
}

func (p *pipeline) AppendEntries(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	now := time.Now()
	f := &flight{
		start: now, arrives: now.Add(p.end.net.leaving()), request: request, response: response,
		answer: make(chan raft.RPCResponse, 1), ended: make(chan struct{}),
	}
	for _, queue := range []chan *flight{p.sent, p.answered} {
		select {
		case <-p.broken:
			return nil, errUnreachable
		default:
		}
		select {
		case queue <- f:
		case <-p.broken:
			return nil, errUnreachable
		case <-p.closed:
			return nil, raft.ErrPipelineShutdown
		case <-p.end.closed:
			return nil, errClosed
		}
	}
	return f, nil
}

func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.done }

func (p *pipeline) Close() error {
	p.closing.Do(func() { close(p.closed) })
	return nil
}

// carry brings messages to the other side, one after the other. One that is lost takes the connection with it.
func (p *pipeline) carry() {
	defer close(p.broken)
	for {
		select {
		case f := <-p.sent:
			time.Sleep(time.Until(f.arrives))
			answer, ok := p.end.net.deliver(p.end, p.to, copied(f.request), nil)
			if !ok {
				return
			}
			f.answer <- answer
			if answer.Error != nil {
				return
			}
		case <-p.closed:
			return
		case <-p.end.closed:
			return
		}
	}
}

// answer brings the answers back, or that there is none. It gives each future to the engine, as real connections do, failed or not.
func (p *pipeline) answer() {
	for {
		select {
		case f := <-p.answered:
			f.err = p.await(f)
			close(f.ended)
			p.end.net.step()
			select {
			case p.done <- f:
			case <-p.closed:
				return
			case <-p.end.closed:
				return
			}
		case <-p.closed:
			return
		case <-p.end.closed:
			return
		}
	}
}

func (p *pipeline) await(f *flight) error {
	timer := time.NewTimer(p.end.timeout)
	defer timer.Stop()
	select {
	case answer := <-f.answer:
		time.Sleep(p.end.net.delay())
		return unpack(answer, f.response)
	case <-timer.C:
		return errTimeout
	case <-p.closed:
		return raft.ErrPipelineShutdown
	case <-p.end.closed:
		return errClosed
	}
}
