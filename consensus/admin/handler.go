package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// handler implements http.Handler.
type handler struct {
	node    node
	options Options
	guard   *guard
	forward *forwarder // nil: followers do not ask the leader
	metrics *metrics
	scrape  http.Handler
	openAPI []byte
	cross   *http.CrossOriginProtection
}

// New returns the HTTP interface of a node. It can be made before the node is started and outlives it: a node
// that is not running answers 503.
//
// Mounted in an [http.ServeMux], requests with unclean paths are redirected by the mux; the handler alone refuses them. The
// server around it should bound connections, heads and the writing of answers, by http.Server.ReadHeaderTimeout and
// WriteTimeout; the latter must be longer than Options.Timeout.
func New(n *consensus.Node, options Options) (http.Handler, error) {
	if n == nil {
		return nil, errors.New("the node to serve is nil")
	}
	return newHandler(n, options)
}

func newHandler(n node, options Options) (*handler, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &handler{
		node: n, options: options, guard: newGuard(options), metrics: newMetrics(),
		openAPI: describe(options.Prefix), cross: http.NewCrossOriginProtection(),
	}
	if options.Forward {
		h.forward = newForwarder(n.ID, options)
	}
	if h.scrape, err = h.metrics.register(n, options.Registerer, options.Gatherer); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return h, nil
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	began := time.Now()
	h.metrics.inFlight.Inc()
	defer h.metrics.inFlight.Dec()
	to := h.routeOf(req.URL)
	deadline := began.Add(h.options.Timeout)
	boundBody(w, req, deadline)
	given := h.answer(w, req, to, deadline)
	h.metrics.observe(to, given.status, time.Since(began))
	if err := given.send(w); err != nil {
		h.options.Logger.DebugContext(req.Context(), "answer was not delivered", "remote", req.RemoteAddr, "error", err)
	}
}

// answer lets pass what may be asked, and asks it.
func (h *handler) answer(w http.ResponseWriter, req *http.Request, to *route, deadline time.Time) *answer {
	if refused := h.refuse(req, to); refused != nil {
		return refused
	}
	body, refused := readBody(w, req, h.options.MaxBody)
	if refused != nil {
		return refused
	}
	ctx, cancel := context.WithDeadline(req.Context(), deadline)
	defer cancel()
	given := h.perform(ctx, to, &question{req, to, body})
	if elsewhere := h.forward.target(given, req); elsewhere != "" && to.leader {
		given = h.forward.ask(ctx, elsewhere, req, to, body)
		h.metrics.forwarded.WithLabelValues(given.forwarded).Inc()
	}
	h.log(ctx, req, to, given)
	return given
}

// refuse returns why a request is not looked at any further; nil if it is.
func (h *handler) refuse(req *http.Request, to *route) *answer {
	if to == nil {
		return refuse(CodeNotFound, fmt.Errorf("there is nothing here; see %s/openapi.json", h.options.Prefix))
	}
	if refused := to.check(req); refused != nil {
		return refused
	}
	if err := h.cross.Check(req); err != nil {
		return refuse(CodeCrossSite, errors.New("pages of other sites must not ask this"))
	}
	if to.guarded || h.options.GuardAll && to != healthRoute {
		if refused := h.guard.check(req); refused != nil {
			return refused
		}
	}
	return to.checkQuery(req.URL)
}

// perform outlives a panic below it, such as one in the state machine's Query: net/http would drop the connection.
func (h *handler) perform(ctx context.Context, to *route, q *question) (given *answer) {
	defer func() {
		if cause := recover(); cause != nil {
			h.options.Logger.ErrorContext(ctx, "panic while answering", "panic", cause, "path", to.path, "stack", string(debug.Stack()))
			given = refuse(CodeInternal, errors.New("a fault, of the state machine or of the API; the node's log says which"))
			given.failure.UnknownOutcome = to.changes
		}
	}()
	return to.perform(ctx, h, q)
}

// log tells of changes and of what has failed. Commands are not logged one by one: they may be many.
func (h *handler) log(ctx context.Context, req *http.Request, to *route, given *answer) {
	level := slog.LevelDebug
	switch {
	case req.Context().Err() != nil: // the client has gone, which is nobody's fault
	case given.status >= http.StatusInternalServerError && to.method == http.MethodPost:
		level = slog.LevelWarn
	case to.changes && to != applyRoute && given.status == http.StatusOK: // an answer that was handed on has a status alone
		level = slog.LevelInfo
	}
	if !h.options.Logger.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{slog.String("path", to.path), slog.Int("status", given.status), slog.String("remote", req.RemoteAddr), slog.String("by", who(req))}
	if given.failure != nil {
		attributes = append(attributes, slog.String("error", given.failure.Text))
	}
	h.options.Logger.LogAttrs(ctx, level, "request over HTTP", attributes...)
}
