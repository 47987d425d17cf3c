package rounds

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/bearer"
)

const (
	defaultCallTimeout = 30 * time.Second

	// defaultRequestTimeout is longer than what a server allows itself, so that it can say why.
	defaultRequestTimeout = 7 * time.Second
)

// ClientOptions say which servers a [Client] asks, and as whom.
type ClientOptions struct {
	// Servers are the URLs of servers that share a storage and a prefix, such as
	// "https://rounds.example.com"; required. The first one is asked until it fails, then the next.
	Servers []string

	// ID is the candidate's identity, as in [Candidate]. Defaults to a random one, made by NewClient:
	// a program that is started again is another candidate then.
	ID string

	// Token is the bearer token to send. Over http it can be read on the way.
	Token string

	// HTTPClient makes the requests, with its TLS configuration, proxies and time limit. Redirects
	// are not followed, whatever it says. Defaults to one like http.DefaultClient.
	HTTPClient *http.Client

	// Timeout bounds a call with all its requests; the call's context may end it earlier. Defaults
	// to 30s.
	Timeout time.Duration

	// RequestTimeout bounds each of the requests. It should be longer than the servers' own time
	// limit. Defaults to 7s.
	RequestTimeout time.Duration

	// Attempts is how many requests a call may make. Defaults to as many as there is time for.
	Attempts int

	// Retrying, if there is one, is called before a call asks again, with the server from
	// [ClientOptions.Servers] that has not told the answer, and why. It may be called from several
	// calls at the same time.
	Retrying func(server string, err error)
}

// Client asks servers for what [Rounds] answers, as one candidate. It asks again, and asks other
// servers, while it gets no answer or one that says that it could not be told; that is safe, because
// the candidate has an identity. It believes only what a server of rounds has said.
//
// Errors of its methods are those of Rounds: *[IdentifierError], *[NotElectedError] and
// *[AlreadyCompletedError]; *[RefusedError] where a server will not answer; and [ErrUndecided] with the
// last failure when the attempts, the time or the context have come to their end. Nothing is known then,
// and asking again is safe. All methods are safe for concurrent use.
type Client struct {
	servers        []string // without a slash at the end
	id             string
	token          string
	http           *http.Client
	timeout        time.Duration
	requestTimeout time.Duration
	attempts       int // 0 for no limit
	retrying       func(server string, err error)

	current atomic.Int64 // the server to ask
}

// NewClient returns a client. It makes no request. Errors name the option.
func NewClient(options ClientOptions) (*Client, error) {
	c := &Client{
		id:             cmp.Or(options.ID, rand.Text()),
		token:          options.Token,
		http:           &http.Client{},
		timeout:        cmp.Or(options.Timeout, defaultCallTimeout),
		requestTimeout: cmp.Or(options.RequestTimeout, defaultRequestTimeout),
		attempts:       options.Attempts,
		retrying:       options.Retrying,
	}
	if c.retrying == nil {
		c.retrying = func(string, error) {}
	}
	if options.HTTPClient != nil {
		*c.http = *options.HTTPClient
	}
	// Who redirects is no server of rounds, and who is behind it must not get token and identity.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if len(options.Servers) == 0 {
		return nil, errors.New("ClientOptions.Servers is required")
	}
	for i, server := range options.Servers {
		if err := checkServer(server); err != nil {
			return nil, fmt.Errorf("ClientOptions.Servers: number %d %w", i+1, err)
		}
		c.servers = append(c.servers, strings.TrimRight(server, "/"))
	}
	if err := checkPrintable("candidate ID", c.id); err != nil {
		return nil, fmt.Errorf("ClientOptions.ID: %w", err)
	}
	if c.token != "" && !bearer.Usable(c.token) {
		return nil, errors.New("ClientOptions.Token contains a space or something unprintable")
	}
	switch {
	case c.timeout < 0:
		return nil, fmt.Errorf("ClientOptions.Timeout %v must not be negative", c.timeout)
	case c.requestTimeout < 0:
		return nil, fmt.Errorf("ClientOptions.RequestTimeout %v must not be negative", c.requestTimeout)
	case c.attempts < 0:
		return nil, fmt.Errorf("ClientOptions.Attempts %d must not be negative", c.attempts)
	}
	return c, nil
}

// checkServer does not repeat a URL that may contain a password.
func checkServer(server string) error {
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return errors.New("is no URL")
	case u.User != nil:
		return errors.New("has a user or password: only Token is sent")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is not of the form http://host:port or https://host:port", server)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(server, "#"):
		return fmt.Errorf("%q has a query or a fragment, which would end up in the midst of URLs", server)
	}
	return nil
}

// ID returns the candidate's identity.
func (c *Client) ID() string { return c.id }

// Elect tells whether this candidate is the one for the round, and makes it that if nobody is yet.
// The state says who is, whatever the answer.
func (c *Client) Elect(ctx context.Context, system, round string) (won bool, state State, err error) {
	got, err := c.call(ctx, "elect", system, round)
	return got.result == ResultElected, got.state, err
}

// Elected tells who has won the round: nobody yet where state.Elected is nil.
func (c *Client) Elected(ctx context.Context, system, round string) (State, error) {
	got, err := c.call(ctx, "elected", system, round)
	return got.state, err
}

// Complete records that this candidate has done what it was elected for.
func (c *Client) Complete(ctx context.Context, system, round string) (State, error) {
	got, err := c.call(ctx, "complete", system, round)
	return got.state, err
}

// Completed tells who has completed the round: nobody yet where state.Completed is nil.
func (c *Client) Completed(ctx context.Context, system, round string) (State, error) {
	got, err := c.call(ctx, "completed", system, round)
	return got.state, err
}

// call asks until somebody has answered.
func (c *Client) call(ctx context.Context, operation, system, round string) (reply, error) {
	if err := (route{system: system, round: round}).check(); err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	asked := question{operation: operation, system: system, round: round, id: c.id}
	asking := make(schedule, len(c.servers))
	var heard error // the last failure that says more than that there was no time
	for n := 1; ; n++ {
		server := c.current.Load()
		got, again, err := c.ask(ctx, c.servers[server], asked)
		switch {
		case again == nil && n > 1 && isRefused(err): // what came of the requests before is not known
			return reply{}, fmt.Errorf("%w; %w", err, ErrUndecided)
		case again == nil:
			return got, err
		}
		next := asking.failed(int(server), n, again.after)
		c.current.CompareAndSwap(server, int64(next))
		if !errors.Is(err, context.DeadlineExceeded) {
			heard = err
		}
		if n != c.attempts && asking.inTime(ctx, next) {
			c.retrying(c.servers[server], err)
			if asking.wait(ctx, next) {
				continue
			}
		}
		return reply{}, fmt.Errorf("%s round %q of %q: %w: %w", operation, round, system, ErrUndecided, last(ctx, err, heard))
	}
}

// last is the failure to end with: an end of the time does not hide what was heard before.
func last(ctx context.Context, err, heard error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w; %w", ended, err)
	} else if heard != nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w; before that: %w", err, heard)
	}
	return err
}

func isRefused(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused)
}
