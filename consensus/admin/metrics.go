package admin

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// latencies are the buckets of histograms, in seconds: from a commit in the same rack to a request that has used up its time.
var latencies = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// noRoute is the label of requests for what is not there: labels have a fixed set of values, whatever clients send.
const noRoute = "other"

// metrics are what is counted of requests.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	forwarded *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "http_requests_total", Help: "Requests to the API, by path below the prefix and status.",
		}, []string{"path", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "http_request_duration_seconds", Buckets: latencies,
			Help: "Time to find the answer to a request to the API; that of /apply is the latency of commands.",
		}, []string{"path"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "http_requests_in_flight", Help: "Requests to the API that are being answered.",
		}),
		forwarded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "http_forwarded_total", Help: "Requests handed on to the leader, by what became of them.",
		}, []string{"result"}),
	}
}

// register makes known what is measured, and returns the handler that tells it.
func (m *metrics) register(n node, registerer prometheus.Registerer, gatherer prometheus.Gatherer) (http.Handler, error) {
	all := []prometheus.Collector{&Collector{n}, m.requests, m.duration, m.inFlight, m.forwarded}
	if registerer == nil {
		own := prometheus.NewRegistry()
		registerer, gatherer = own, own
		all = append(all, collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	for _, collector := range all {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: 4}), nil
}

func (m *metrics) observe(to *route, status int, took time.Duration) {
	path := noRoute
	if to != nil {
		path = to.path
	}
	m.requests.WithLabelValues(path, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(path).Observe(took.Seconds())
}

// performMetrics has the metrics written into memory: their handler writes by itself.
func performMetrics(_ context.Context, h *handler, q *question) *answer {
	w := &page{header: http.Header{}, status: http.StatusOK}
	h.scrape.ServeHTTP(w, q.request)
	return &answer{status: w.status, header: w.header, encoded: w.body.Bytes()}
}

// page is an http.ResponseWriter in memory.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (p *page) Header() http.Header { return p.header }

func (p *page) WriteHeader(status int) { p.status = status }

func (p *page) Write(data []byte) (int, error) { return p.body.Write(data) }
