package rounds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/bearer"
)

// defaultTimeout is enough for two hung requests to the storage and a third that is answered.
const defaultTimeout = 5 * time.Second

// HandlerOptions change what [NewHandler] does by default.
type HandlerOptions struct {
	// Tokens are the bearer tokens of which a request must have one. Without any, everybody who
	// reaches the server may ask.
	Tokens []string

	// Authorize, if there is one, is asked about every request that has a token, if it needs one. Its
	// error is told to the requester with 401. It must be safe for concurrent use.
	Authorize func(*http.Request) error

	// Timeout bounds one request, its body included; the answer is 500 then. Defaults to 5s.
	Timeout time.Duration

	// RateLimit is how many requests per second are answered for each system; others are told 429.
	// Defaults to 0, which stands for no limit.
	RateLimit float64

	// Burst is how many requests for a system may come at once. Defaults to RateLimit, rounded up.
	Burst int

	// Logger gets what has failed. Defaults to slog.Default().
	Logger *slog.Logger

	// Observe is told of every answered request for one of the four operations, after its answer
	// was written, on the goroutine of the request. It must be safe for concurrent use.
	Observe func(Outcome)
}

// Outcome is what became of a request.
type Outcome struct {
	Operation string        // "elect", "elected", "complete" or "completed"
	Result    string        // one of the Result constants
	Status    int           // of the answer
	Duration  time.Duration // from the end of the request's head to that of the answer
	Err       error         // why it was not answered with success; nil if it was
}

// Results of requests.
const (
	ResultElected      = "elected"      // elect: the requester is
	ResultNotElected   = "not_elected"  // elect: somebody else is
	ResultRecorded     = "recorded"     // complete: it is
	ResultKnown        = "known"        // elected, completed: somebody is
	ResultNobody       = "nobody"       // elected, completed: nobody yet
	ResultRefused      = "refused"      // complete: another was elected, or has completed
	ResultUnauthorized = "unauthorized" // no token, or none that is accepted
	ResultRateLimited  = "rate_limited" // too many requests for the system
	ResultBadRequest   = "bad_request"  // a request that cannot be answered as it is
	ResultError        = "error"        // could not tell
)

// elections is what the handler needs of *Rounds.
type elections interface {
	Elect(ctx context.Context, system, round string, c Candidate) (won bool, state State, err error)
	Elected(ctx context.Context, system, round string) (State, error)
	Complete(ctx context.Context, system, round string, c Candidate) (State, error)
	Completed(ctx context.Context, system, round string) (State, error)
}

type handler struct {
	rounds    elections
	tokens    *bearer.Tokens
	authorize func(*http.Request) error // nil for nothing more than tokens
	limits    *limits                   // nil for none
	timeout   time.Duration
	logger    *slog.Logger
	observe   func(Outcome)
}

// NewHandler returns the HTTP interface of rounds:
//
//	GET       /api/v1/elect/{system}/{round}
//	GET       /api/v1/elected/{system}/{round}
//	GET, POST /api/v1/complete/{system}/{round}
//	GET       /api/v1/completed/{system}/{round}
//
// What they answer is in docs/rounds.md. A requester without an identity of its own is known by the
// host in http.Request.RemoteAddr. X-Forwarded-For and its like are not looked at, since everybody
// can send them: behind a proxy, candidates need identities, or a middleware that sets RemoteAddr.
//
// Mounted in an [http.ServeMux] at "/api/v1/", requests with unclean paths are redirected by the mux,
// which never gets anybody elected; the handler alone refuses them.
//
// A request ends with its connection: what has been asked of the storage by then may take effect or
// not, as after [ErrUndecided].
func NewHandler(r *Rounds, options HandlerOptions) (http.Handler, error) {
	if r == nil {
		return nil, errors.New("the rounds to serve are nil")
	}
	return newHandler(r, options)
}

func newHandler(r elections, options HandlerOptions) (*handler, error) {
	tokens, err := bearer.New(options.Tokens)
	if err != nil {
		return nil, fmt.Errorf("HandlerOptions.Tokens: %w", err)
	}
	h := &handler{
		rounds: r, tokens: tokens, authorize: options.Authorize,
		timeout: options.Timeout, logger: options.Logger, observe: options.Observe,
	}
	switch {
	case h.timeout < 0:
		return nil, fmt.Errorf("HandlerOptions.Timeout %v must not be negative", h.timeout)
	case h.timeout == 0:
		h.timeout = defaultTimeout
	}
	switch {
	case !(options.RateLimit >= 0) || math.IsInf(options.RateLimit, 0): // NaN is not >= 0
		return nil, fmt.Errorf("HandlerOptions.RateLimit %v must be a number of requests per second, or 0 for no limit", options.RateLimit)
	case options.Burst < 0:
		return nil, fmt.Errorf("HandlerOptions.Burst %d must not be negative", options.Burst)
	case options.Burst > 0 && options.RateLimit == 0:
		return nil, fmt.Errorf("HandlerOptions.Burst %d needs a RateLimit", options.Burst)
	case options.RateLimit > 0:
		h.limits = newLimits(options.RateLimit, options.Burst)
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if h.observe == nil {
		h.observe = func(Outcome) {}
	}
	return h, nil
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	began := time.Now()
	to, refused := routeOf(req.URL)
	given := refused
	if refused == nil {
		given = h.answer(w, req, to, began)
	}
	if err := given.send(w, wantsJSON(req.Header)); err != nil {
		h.logger.DebugContext(req.Context(), "answer was not delivered", "remote", req.RemoteAddr, "error", err)
	}
	if to.operation != nil {
		h.observe(Outcome{to.operation.name, given.outcome, given.status, time.Since(began), given.err})
	}
}

// answer lets pass what may be asked, and asks it. Whatever is refused has changed nothing.
func (h *handler) answer(w http.ResponseWriter, req *http.Request, to route, began time.Time) *answer {
	if refused := to.operation.check(req); refused != nil {
		return refused
	}
	if err := h.admit(req); err != nil {
		return refuse(http.StatusUnauthorized, CodeUnauthorized, err).with("WWW-Authenticate", bearer.Challenge)
	}
	if err := to.check(); err != nil {
		return failed(err, Candidate{})
	}
	if wait := h.limits.take(to.system); wait > 0 {
		return refuse(http.StatusTooManyRequests, CodeRateLimited, fmt.Errorf("too many requests for system %q; ask again in %v", to.system, wait)).
			with("Retry-After", seconds(wait))
	}
	if refused := discardBody(w, req, began.Add(h.timeout)); refused != nil {
		return refused
	}
	ctx, cancel := context.WithDeadline(req.Context(), began.Add(h.timeout))
	defer cancel()
	return h.perform(ctx, req, to)
}

func (h *handler) admit(req *http.Request) error {
	if err := h.tokens.Check(req); err != nil || h.authorize == nil {
		return err
	}
	return h.authorize(req)
}

// perform outlives a panic below it, such as one in a storage: net/http would drop the connection,
// and the requester would not know whether it may ask again.
func (h *handler) perform(ctx context.Context, req *http.Request, to route) (given *answer) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		h.logger.ErrorContext(ctx, "panic while answering", "panic", cause, "operation", to.operation.name,
			"system", to.system, "round", to.round, "stack", string(debug.Stack()))
		given = failed(fmt.Errorf("%w: panic: %v", ErrUndecided, cause), Candidate{})
	}()
	given = to.operation.perform(ctx, h.rounds, req, to)
	if given.outcome == ResultError {
		level := slog.LevelWarn
		if req.Context().Err() != nil {
			level = slog.LevelDebug // the client has gone, which is nobody's fault
		}
		h.logger.Log(ctx, level, "could not answer", "operation", to.operation.name,
			"system", to.system, "round", to.round, "remote", req.RemoteAddr, "error", given.err)
	}
	return given
}
