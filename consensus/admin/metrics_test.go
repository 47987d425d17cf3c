package admin

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

func TestCollectorDescribesWhatItTells(t *testing.T) {
	registry := prometheus.NewPedanticRegistry() // compares what is told with what was described
	require.NoError(t, registry.Register(&Collector{newFake()}))
	families, err := registry.Gather()
	require.NoError(t, err)
	assert.Len(t, families, len(descriptions))
	assert.NotNil(t, NewCollector(nil))
}

func TestMetricsAreServed(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{})
	ask(t, h, http.MethodPost, "/apply", bodies["/apply"])
	f.err = consensus.ErrNoLeader
	ask(t, h, http.MethodPost, "/apply", bodies["/apply"])
	ask(t, h, http.MethodGet, "/whatever/"+strings.Repeat("x", 100), "")
	w := ask(t, h, http.MethodGet, "/metrics", "")
	require.Equal(t, http.StatusOK, w.Code)
	for _, line := range []string{
		"s3lect_consensus_term 3", "s3lect_consensus_is_leader 1", `s3lect_consensus_role{role="leader"} 1`, `s3lect_consensus_role{role="follower"} 0`,
		"s3lect_consensus_elections_won_total 2", "s3lect_consensus_applied_commands_total 4", "s3lect_consensus_failed_commands_total 1",
		"s3lect_consensus_apply_latency_mean_seconds 0.001", "s3lect_consensus_members 2", "s3lect_consensus_healthy_members 2",
		`s3lect_consensus_http_requests_total{path="/apply",status="200"} 1`, `s3lect_consensus_http_requests_total{path="/apply",status="503"} 1`,
		`s3lect_consensus_http_requests_total{path="other",status="404"} 1`, `s3lect_consensus_http_request_duration_seconds_count{path="/apply"} 2`,
		"s3lect_consensus_http_requests_in_flight 1", "go_goroutines ", "process_start_time_seconds ",
	} {
		assert.Contains(t, w.Body.String(), "\n"+line)
	}
	families, err := registryOf(t, f).Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func registryOf(t *testing.T, f *fake) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	handlerOf(t, f, Options{Registerer: registry, Gatherer: registry})
	return registry
}

func TestAFollowerTellsHowLongItHasNotHeardOfItsLeader(t *testing.T) {
	contact := regexp.MustCompile(`(?m)^s3lect_consensus_last_contact_seconds (.*)$`)
	f := newFake()
	h := handlerOf(t, f, Options{})
	told := func() []string {
		return contact.FindStringSubmatch(ask(t, h, http.MethodGet, "/metrics", "").Body.String())
	}
	assert.Equal(t, "0", told()[1], "the leader")
	f.info.NodeID, f.role, f.leads = "n3", consensus.RoleFollower, false
	f.info.Nodes[0].LastContact = 1500e6
	assert.Equal(t, "1.5", told()[1])
	f.info.Nodes[0].LastContact = -1
	assert.Nil(t, told(), "it is not known")
	f.info.Leader = ""
	assert.Nil(t, told())
}

func TestARegistryOfTheProgramIsServed(t *testing.T) {
	registry := prometheus.NewRegistry()
	own := prometheus.NewCounter(prometheus.CounterOpts{Name: "own_total", Help: "Of the program."})
	registry.MustRegister(own)
	h := handlerOf(t, newFake(), Options{Registerer: registry, Gatherer: registry})
	body := ask(t, h, http.MethodGet, "/metrics", "").Body.String()
	assert.Contains(t, body, "own_total 0")
	assert.Contains(t, body, "s3lect_consensus_term 3")
	assert.NotContains(t, body, "go_goroutines", "those are the program's to register")
}
