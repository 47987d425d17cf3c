package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is one of the things that can be asked.
type route struct {
	path    string
	method  string // GET, with which HEAD is allowed, or POST
	query   string // name of the parameter that may be given; empty for none
	guarded bool   // needs credentials
	changes bool   // something, so that it must not be done twice
	leader  bool   // can be done by the leader alone, and is forwarded to it
	perform func(ctx context.Context, h *handler, q *question) *answer
}

// question is what was asked.
type question struct {
	request *http.Request
	to      *route
	body    []byte
}

// Routes that are treated in a way of their own.
var (
	healthRoute = &route{path: "/health", method: http.MethodGet, query: "ready", perform: performHealth}
	applyRoute  = &route{path: "/apply", method: http.MethodPost, guarded: true, changes: true, leader: true, perform: performApply}
)

// Reading from the state machine is guarded like a change: what it holds is the application's.
var routes = []*route{
	healthRoute,
	{path: "/health/detailed", method: http.MethodGet, perform: performDetailedHealth},
	{path: "/status", method: http.MethodGet, perform: performStatus},
	{path: "/metrics", method: http.MethodGet, perform: performMetrics},
	{path: "/leader", method: http.MethodGet, perform: performLeader},
	{path: "/nodes", method: http.MethodGet, perform: performNodes},
	{path: "/openapi.json", method: http.MethodGet, perform: performOpenAPI},
	{path: "/leadership/transfer", method: http.MethodPost, guarded: true, changes: true, leader: true, perform: performTransfer},
	{path: "/leadership/stepdown", method: http.MethodPost, guarded: true, changes: true, leader: true, perform: performStepDown},
	{path: "/snapshot", method: http.MethodPost, guarded: true, changes: true, perform: performSnapshot},
	{path: "/nodes/add", method: http.MethodPost, guarded: true, changes: true, leader: true, perform: performAdd},
	{path: "/nodes/remove", method: http.MethodPost, guarded: true, changes: true, leader: true, perform: performRemove},
	applyRoute,
	{path: "/read", method: http.MethodPost, guarded: true, leader: true, perform: performRead},
}

// routeOf compares a path as it was sent. Nothing is cleaned, decoded or redirected.
func (h *handler) routeOf(u *url.URL) *route {
	path, found := strings.CutPrefix(u.EscapedPath(), h.options.Prefix)
	i := slices.IndexFunc(routes, func(r *route) bool { return r.path == path })
	if !found || i < 0 {
		return nil
	}
	return routes[i]
}

func (r *route) methods() []string {
	if r.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{r.method}
}

// check refuses other methods.
func (r *route) check(req *http.Request) *answer {
	if slices.Contains(r.methods(), req.Method) {
		return nil
	}
	allowed := strings.Join(r.methods(), ", ")
	return refuse(CodeMethodNotAllowed, fmt.Errorf("%s is asked with %s", r.path, allowed)).with("Allow", allowed)
}

// checkQuery refuses parameters that nobody looks at: one that is misspelt would not do what was meant.
func (r *route) checkQuery(u *url.URL) *answer {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse(CodeBadRequest, fmt.Errorf("the query cannot be read: %w", err))
	}
	for name, values := range query {
		if name != r.query || r.query == "" {
			return refuse(CodeBadRequest, fmt.Errorf("%s has no parameter %q", r.path, name))
		}
		if value := strings.Join(values, ""); value != "" && value != "true" { // such as false, which would not mean that
			return refuse(CodeBadRequest, fmt.Errorf("the parameter %q of %s is %q: leave it out, or write ?%s", name, r.path, value, name))
		}
	}
	return nil
}
