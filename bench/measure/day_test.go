package measure

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/s3server"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// agreement is by how much the store in memory may be off, as a part of what the real one was asked.
const agreement = 0.05

func TestTheStoreInMemoryIsAskedAsOftenAsARealOne(t *testing.T) {
	t.Parallel() // most of it is waiting, in real time
	table := newSheet(t, "crosscheck")
	server := s3server.Start(t)
	_, err := server.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(arena.Bucket)})
	require.NoError(t, err)
	schedule := ScaledDay()
	if table.Quick {
		schedule = Schedule{Elections: 12, Windows: 1, Window: 15 * time.Second}
	}
	connections := &http.Transport{}
	connections.MaxIdleConnsPerHost = 5 * schedule.Elections
	defer connections.CloseIdleConnections()

	c := contender.All()[0]
	progress("%d elections on versitygw for %v", schedule.Elections, time.Duration(schedule.Windows)*schedule.Window)
	served, err := RealDay(c, schedule, connections, server.Endpoint)
	require.NoError(t, err)
	progress("the same in memory")
	fake, latencies := &Day{}, served.Latencies()
	for _, day := range bubbles(t, schedule.Elections, func(seed uint64) (*Day, error) {
		return FakeElection(c, schedule, int(seed)-1, latencies)
	}) {
		fake.add(day)
	}
	record(table, "versitygw", served)
	record(table, "store in memory", fake)

	compare := func(what string, inMemory, served float64) {
		off := (inMemory - served) / served
		table.add(result.Cell{Contender: "store in memory", Case: what, Metric: "difference", Unit: "%"}.Summarize([]float64{100 * off}))
		assert.LessOrEqual(t, math.Abs(off), agreement, "%s: %g in memory, %g on versitygw", what, inMemory, served)
	}
	a, b := fake.Total(), served.Total()
	compare("reads", float64(a.Reads), float64(b.Reads))
	compare("writes", float64(a.Writes), float64(b.Writes))
	median := func(d []time.Duration) float64 { return result.Cell{}.Summarize(inSeconds(d)).Median }
	compare("latency of reads", median(fake.Reads), median(served.Reads))
	compare("latency of writes", median(fake.Writes), median(served.Writes))
}

// record adds what was asked in each window, and how long it took.
func record(table *sheet, store string, day *Day) {
	var reads, writes, refused []float64
	for _, w := range day.Windows {
		reads, writes, refused = append(reads, float64(w.Reads)), append(writes, float64(w.Writes)), append(refused, float64(w.Refused))
	}
	add := func(what, metric, unit string, values []float64) {
		table.add(result.Cell{Contender: store, Case: what, Metric: metric, Unit: unit}.Summarize(values))
	}
	add("reads", "requests per window", "1", reads)
	add("writes", "requests per window", "1", writes)
	add("refused writes", "requests per window", "1", refused)
	add("latency of reads", "latency", "s", inSeconds(day.Reads))
	add("latency of writes", "latency", "s", inSeconds(day.Writes))
	add("time without a leader", "time without a leader", "s", inSeconds(day.Gaps))
}
