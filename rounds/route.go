package rounds

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const apiPath = "/api/v1/"

// operation is one of the four things that can be asked.
type operation struct {
	name    string
	changes bool
	methods []string
	perform func(ctx context.Context, r elections, req *http.Request, to route) *answer
}

// Asking to be elected with HEAD, as link checkers do, must not elect: nobody would do the job.
var operations = []operation{
	{"elect", true, []string{http.MethodGet}, performElect},
	{"elected", false, []string{http.MethodGet, http.MethodHead}, performElected},
	{"complete", true, []string{http.MethodGet, http.MethodPost}, performComplete},
	{"completed", false, []string{http.MethodGet, http.MethodHead}, performCompleted},
}

// route is what a request's path asks for.
type route struct {
	operation     *operation // nil if the path asks for none
	system, round string     // decoded, and not checked
}

// routeOf reads a path as it was sent. Nothing is cleaned or redirected: "a/../b" and "a//b" are
// not what anybody wants to ask for. A part's percent-encoding is undone once, after the path was
// divided, so that no encoded slash makes another part. "+" stands for itself in a path.
func routeOf(u *url.URL) (route, *answer) {
	rest, found := strings.CutPrefix(u.EscapedPath(), apiPath)
	parts := strings.SplitN(rest, "/", 4)
	i := slices.IndexFunc(operations, func(o operation) bool { return o.name == parts[0] })
	if !found || len(parts) != 3 || i < 0 {
		return route{}, refuse(http.StatusNotFound, CodeNotFound,
			errors.New("there is nothing here; paths are "+apiPath+"{elect|elected|complete|completed}/{system}/{round}"))
	}
	system, err := url.PathUnescape(parts[1])
	round, err2 := url.PathUnescape(parts[2])
	if err = errors.Join(err, err2); err != nil {
		return route{operation: &operations[i]}, refuse(http.StatusBadRequest, CodeBadIdentifier, err)
	}
	return route{&operations[i], system, round}, nil
}

func (r route) check() error {
	if err := checkIdentifier("system", r.system); err != nil {
		return err
	}
	return checkIdentifier("round", r.round)
}

// check refuses what must not be asked so. A browser that asks on behalf of another site's page does
// not do so for the person in front of it: that page could elect in every network its readers are in.
func (o *operation) check(req *http.Request) *answer {
	if !slices.Contains(o.methods, req.Method) {
		allowed := strings.Join(o.methods, ", ")
		return refuse(http.StatusMethodNotAllowed, CodeMethodNotAllowed, fmt.Errorf("%s is asked with %s", o.name, allowed)).with("Allow", allowed)
	}
	site := req.Header.Get("Sec-Fetch-Site")
	if o.changes && site != "" && site != "same-origin" && site != "none" {
		return refuse(http.StatusForbidden, CodeCrossSite, errors.New("pages of other sites must not ask this"))
	}
	return nil
}

func performElect(ctx context.Context, r elections, req *http.Request, to route) *answer {
	candidate, err := candidateOf(req)
	if err != nil {
		return refuse(http.StatusBadRequest, CodeBadCandidate, err)
	}
	won, state, err := r.Elect(ctx, to.system, to.round, candidate)
	switch {
	case err != nil:
		return failed(err, candidate)
	case won:
		return &answer{status: http.StatusAccepted, outcome: ResultElected, text: "elected\n", state: &state, won: true}
	default:
		return &answer{status: http.StatusNoContent, outcome: ResultNotElected, state: &state}
	}
}

func performComplete(ctx context.Context, r elections, req *http.Request, to route) *answer {
	candidate, err := candidateOf(req)
	if err != nil {
		return refuse(http.StatusBadRequest, CodeBadCandidate, err)
	}
	state, err := r.Complete(ctx, to.system, to.round, candidate)
	if err != nil {
		return failed(err, candidate)
	}
	return &answer{status: http.StatusOK, outcome: ResultRecorded, text: "completed\n", state: &state}
}

func performElected(ctx context.Context, r elections, _ *http.Request, to route) *answer {
	state, err := r.Elected(ctx, to.system, to.round)
	return whose(state, state.Elected, err)
}

func performCompleted(ctx context.Context, r elections, _ *http.Request, to route) *answer {
	state, err := r.Completed(ctx, to.system, to.round)
	return whose(state, state.Completed, err)
}

// whose answers whose an event was. Who was elected by a program without an address is known by ID.
func whose(state State, event *Event, err error) *answer {
	switch {
	case err != nil:
		return failed(err, Candidate{})
	case event == nil:
		return &answer{status: http.StatusNoContent, outcome: ResultNobody, state: &state}
	default:
		return &answer{status: http.StatusOK, outcome: ResultKnown, text: event.where(), state: &state}
	}
}
