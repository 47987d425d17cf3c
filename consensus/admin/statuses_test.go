package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// nodeErrors are those that a node may give for a route, besides those of all routes for which it needs its leader.
var nodeErrors = map[string][]error{
	"/leadership/transfer": {consensus.ErrNodeNotFound, consensus.ErrInsufficientPeers},
	"/leadership/stepdown": {consensus.ErrInsufficientPeers},
	"/snapshot":            {consensus.ErrNotStarted, consensus.ErrSnapshotFailed, consensus.ErrUnknownOutcome},
	"/nodes/add":           {consensus.ErrPeerExists},
	"/nodes/remove":        {consensus.ErrNodeNotFound, consensus.ErrInsufficientPeers},
	"/apply":               {consensus.ErrStaleTerm, &consensus.MachineError{Err: errors.New("no")}},
	"/read":                {&consensus.MachineError{Err: errors.New("no")}},
}

// slowBody is a body of which the rest does not arrive.
type slowBody struct{}

func (slowBody) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
func (slowBody) Close() error             { return nil }

// occurring returns the statuses that can be had from a route.
func occurring(t *testing.T, to *route) []string {
	t.Helper()
	var seen []string
	try := func(f *fake, options Options, query, body string, headers ...header) {
		t.Helper()
		w := ask(t, handlerOf(t, f, options), to.method, to.path+query, body, headers...)
		seen = append(seen, strconv.Itoa(w.Code))
	}
	body := bodies[to.path]
	try(newFake(), Options{}, "", body)
	try(newFake(), Options{}, "?unknown", body)
	if to.path != "/health" {
		try(newFake(), Options{GuardAll: true}, "", body, header{"Authorization", ""})
	}
	if to.method == http.MethodGet {
		ended := newFake()
		close(ended.ended)
		ended.info.Leader = ""
		try(ended, Options{}, "", "")
		if to.path != "/metrics" { // gathering is done in goroutines of the library
			try(&fake{broken: true}, Options{}, "", "")
		}
		return seen
	}
	try(newFake(), Options{}, "", "{}", header{"Sec-Fetch-Site", "cross-site"})
	try(newFake(), Options{}, "", "{}", header{"Content-Type", "text/plain"})
	try(newFake(), Options{MaxBody: 1}, "", "{}")
	for _, err := range nodeErrors[to.path] {
		f := newFake()
		f.err = err
		try(f, Options{}, "", body)
	}
	f := newFake()
	f.err = errors.New("odd")
	try(f, Options{}, "", body)
	if to.leader {
		unreachable := &consensus.NotLeaderError{LeaderID: "n2", LeaderAPI: "http://127.0.0.1:1"}
		for _, err := range []error{unreachable, consensus.ErrNoLeader, consensus.ErrUnknownOutcome} {
			f.err = err
			try(f, Options{}, "", body)
		}
		f.err = unreachable
		try(f, Options{Forward: true}, "", body)
	}
	req := requestOf(t, to.method, to.path, "{}")
	req.Body = slowBody{}
	w := httptest.NewRecorder()
	handlerOf(t, newFake(), Options{}).ServeHTTP(w, req)
	return append(seen, strconv.Itoa(w.Code))
}

func TestDescriptionHasExactlyTheStatusesThatOccur(t *testing.T) {
	for _, to := range routes {
		var documented []string
		for _, operation := range described().Paths[to.path] {
			documented = keys(operation.Responses)
		}
		seen := occurring(t, to)
		if to.path == "/metrics" {
			seen = append(seen, metricsStatuses(t)...)
		}
		slices.Sort(seen)
		assert.Equal(t, documented, slices.Compact(seen), to.path)
	}
}

// metricsStatuses has the metrics fail, and asked for by many at once.
func metricsStatuses(t *testing.T) (seen []string) {
	t.Helper()
	failing := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, errors.New("no metrics today") })
	h := handlerOf(t, newFake(), Options{Registerer: prometheus.NewRegistry(), Gatherer: failing})
	seen = append(seen, strconv.Itoa(ask(t, h, http.MethodGet, "/metrics", "").Code))

	begun, release := make(chan struct{}), make(chan struct{})
	slow := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		begun <- struct{}{}
		<-release
		return nil, nil
	})
	h = handlerOf(t, newFake(), Options{Registerer: prometheus.NewRegistry(), Gatherer: slow})
	answered := make(chan struct{})
	const most = 4
	for range most {
		go func() {
			h.ServeHTTP(httptest.NewRecorder(), requestOf(t, http.MethodGet, "/metrics", ""))
			answered <- struct{}{}
		}()
		<-begun
	}
	seen = append(seen, strconv.Itoa(ask(t, h, http.MethodGet, "/metrics", "").Code))
	close(release)
	for range most {
		<-answered
	}
	return seen
}
