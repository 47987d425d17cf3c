package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

// Client is a discovery.Discovery on a Source.
type Client struct {
	source     Source
	logger     *slog.Logger
	complaints complaints

	mu  sync.Mutex
	run *run // nil unless started
}

// run is the time between Start and Stop.
type run struct {
	ctx     context.Context // ends with Stop, with the cause ErrNotRunning
	cancel  context.CancelCauseFunc
	work    sync.WaitGroup // watches, registrations and calls under way
	turn    chan struct{}  // held by whoever registers or unregisters: one at a time
	held    map[string]*held
	ended   chan struct{} // closed when Stop is through
	stopErr error
}

// New returns a client that is not started. A nil logger means slog.Default().
func New(source Source, logger *slog.Logger) *Client {
	if logger == nil {
		logger = slog.Default()
	}
	return &Client{source: source, logger: logger}
}

// Start opens the source.
func (c *Client) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start discovery: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != nil {
		return errors.New("start discovery: it has been started already")
	}
	if err := c.source.Open(); err != nil {
		return fmt.Errorf("start discovery: %v: %w", c.source, err)
	}
	r := &run{turn: make(chan struct{}, 1), held: map[string]*held{}, ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	c.run = r
	return nil
}

// Stop ends everything that Start has begun. What ctx bounds is the withdrawal of registrations.
func (c *Client) Stop(ctx context.Context) error {
	c.mu.Lock()
	r := c.run
	if r == nil {
		c.mu.Unlock()
		return nil
	}
	if r.ctx.Err() != nil { // another Stop is at it
		c.mu.Unlock()
		select {
		case <-r.ended:
			return r.stopErr
		case <-ctx.Done():
			return fmt.Errorf("stop discovery: %w", ctx.Err())
		}
	}
	r.cancel(discovery.ErrNotRunning)
	c.mu.Unlock()

	r.work.Wait()
	var failed []error
	for id, h := range r.held {
		if err := h.registration.Withdraw(ctx); err != nil {
			failed = append(failed, fmt.Errorf("stop discovery: withdraw %s from %v, where it stays until its time is up: %w", id, c.source, err))
		}
	}
	if err := c.source.Close(); err != nil {
		failed = append(failed, fmt.Errorf("stop discovery: %v: %w", c.source, err))
	}
	r.stopErr = errors.Join(failed...)
	c.mu.Lock()
	c.run = nil
	c.mu.Unlock()
	close(r.ended)
	return r.stopErr
}

// enter makes a call, or whatever it starts, part of the run. Its context ends with the caller's and with Stop; the function it
// returns has to be called in the end.
func (c *Client) enter(ctx context.Context) (*run, context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.run
	if r == nil || r.ctx.Err() != nil {
		return nil, nil, nil, discovery.ErrNotRunning
	}
	r.work.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(r.ctx, func() { cancel(discovery.ErrNotRunning) })
	return r, ctx, func() {
		unlink()
		cancel(context.Canceled)
		r.work.Done()
	}, nil
}

// because prefers the reason why the context ended to what came of it.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// GetNodes asks the source.
func (c *Client) GetNodes(ctx context.Context) ([]discovery.Node, error) {
	_, ctx, leave, err := c.enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("get nodes: %w", err)
	}
	defer leave()
	entries, err := c.source.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("get nodes: %v: %w", c.source, because(ctx, err))
	}
	nodes, err := c.read(entries)
	if err != nil {
		return nil, fmt.Errorf("get nodes: %v: %w", c.source, err)
	}
	return clone(nodes), nil
}

func (c *Client) read(entries []Entry) ([]discovery.Node, error) {
	nodes, problems, err := clean(entries)
	if err != nil {
		return nil, err
	}
	c.complaints.log(c.logger, c.source.String(), problems)
	return nodes, nil
}

// Watch follows the source for as long as ctx and the run last.
func (c *Client) Watch(ctx context.Context) (<-chan []discovery.Node, error) {
	_, ctx, leave, err := c.enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch nodes: %w", err)
	}
	lists := make(chan []discovery.Node, 1)
	go func() {
		defer leave()
		defer close(lists)
		c.follow(ctx, lists)
	}()
	return lists, nil
}

// follow tries again after every failure. It is the only one who sends to lists, which has room for one.
func (c *Client) follow(ctx context.Context, lists chan []discovery.Node) {
	var (
		pause backoff
		out   = outage{logger: c.logger, source: c.source.String()}
		last  []discovery.Node
		fresh = true // the next list is sent even if it is the same as the last one
	)
	for ctx.Err() == nil {
		var unusable error
		err := c.source.Follow(ctx, func(entries []Entry) {
			var nodes []discovery.Node
			if nodes, unusable = c.read(entries); unusable != nil {
				out.begin("list of nodes cannot be read: nothing is taken for gone", unusable)
				fresh = true
				return
			}
			out.end("list of nodes can be read again")
			pause.reset()
			if fresh || !slices.EqualFunc(last, nodes, equal) {
				last, fresh = nodes, false
				select {
				case <-lists: // the reader is slow, and gets the newest only
				default:
				}
				lists <- clone(nodes)
			}
		})
		if ctx.Err() != nil {
			return
		}
		out.begin("list of nodes cannot be read: nothing is taken for gone", err)
		fresh = true
		pause.wait(ctx)
	}
}

// outage logs the beginning and the end of one, not every attempt in between.
type outage struct {
	logger *slog.Logger
	source string
	lasts  bool
}

func (o *outage) begin(message string, err error) {
	if !o.lasts {
		//nolint:sloglint // one of a few constants
		o.logger.Warn(message, "source", o.source, "error", err)
	}
	o.lasts = true
}

func (o *outage) end(message string) {
	if o.lasts {
		//nolint:sloglint // one of a few constants
		o.logger.Info(message, "source", o.source)
	}
	o.lasts = false
}
