package serve

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// latencies are the buckets of histograms, in seconds: from a storage in the same rack to a request
// that has used up its time.
var latencies = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Metrics are what the server counts and measures, for Prometheus. Labels have a fixed set of values,
// whatever clients send.
type Metrics struct {
	registry *prometheus.Registry

	rounds, storage               *prometheus.CounterVec
	roundsDuration, storeDuration *prometheus.HistogramVec
	inFlight, connections         prometheus.Gauge
	watchers                      prometheus.Gauge
	leaderChanges                 prometheus.Counter
}

// NewMetrics returns metrics of a server on which nothing has happened yet.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "s3lect_rounds_requests_total", Help: "Requests to the API, by what was asked and what came out.",
		}, []string{"operation", "result"}),
		roundsDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "s3lect_rounds_request_duration_seconds", Help: "Time to find the answer to a request to the API.", Buckets: latencies,
		}, []string{"operation"}),
		storage: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "s3lect_storage_requests_total", Help: "Calls of the storage. Objects that are not there, and conditions that do not hold, are ordinary answers.",
		}, []string{"operation", "result"}),
		storeDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "s3lect_storage_request_duration_seconds", Help: "Time of a call of the storage.", Buckets: latencies,
		}, []string{"operation"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "s3lect_http_requests_in_flight", Help: "Requests that are being answered, without streams.",
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "s3lect_http_connections", Help: "Open connections.",
		}),
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "s3lect_leader_watchers", Help: "Streams of /leader/watch.",
		}),
		leaderChanges: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "s3lect_leader_changes_total", Help: "Leaderships, of anybody, whose beginning was seen.",
		}),
	}
	m.registry.MustRegister(
		m.rounds, m.roundsDuration, m.storage, m.storeDuration, m.inFlight, m.connections,
		collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// addElection adds what concerns the sidecar.
func (m *Metrics) addElection(elector Elector) {
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	m.registry.MustRegister(
		m.watchers, m.leaderChanges,
		gauge("s3lect_leader", "Whether this server leads.", func() float64 { return number(elector.IsLeader()) }),
		gauge("s3lect_leader_known", "Whether anybody is known to lead.", func() float64 { return number(elector.GetLeadershipStatus().LeaderID != "") }),
		gauge("s3lect_leader_term", "The term last seen, of anybody.", func() float64 { return float64(elector.GetLeadershipStatus().Term) }),
		gauge("s3lect_leader_remaining_seconds", "For how long this server leads without another renewal; 0 where it does not lead.", func() float64 { return elector.Remaining().Seconds() }),
		gauge("s3lect_leader_consecutive_failures", "Looks at the election that have failed since the last one that has not.", func() float64 { return float64(elector.GetLeadershipStatus().ConsecutiveFails) }),
	)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Observe counts a request to the API. It is to be called with a fixed set of operations and results.
func (m *Metrics) Observe(operation, result string, took time.Duration) {
	m.rounds.WithLabelValues(operation, result).Inc()
	m.roundsDuration.WithLabelValues(operation).Observe(took.Seconds())
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}
