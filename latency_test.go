package s3lect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPercentilesAreMeasuredValues(t *testing.T) {
	assert.Zero(t, summarizeLatencies(nil))
	assert.Equal(t, LatencySummary{Count: 1, P50: 7, P99: 7}, summarizeLatencies([]time.Duration{7}))
	var samples []time.Duration
	for i := 200; i > 0; i-- {
		samples = append(samples, time.Duration(i))
	}
	assert.Equal(t, LatencySummary{Count: 200, P50: 100, P99: 198}, summarizeLatencies(samples))
	assert.Equal(t, time.Duration(200), samples[0], "the samples are left alone")
}

func TestIntervalsFollowTheRoundTrip(t *testing.T) {
	for _, test := range []struct {
		read, write, timeout time.Duration
		throttled            int
	}{
		{time.Millisecond, time.Millisecond, 3 * time.Second, 0},
		{100 * time.Millisecond, 210 * time.Millisecond, 5 * time.Second, 0},
		{400 * time.Millisecond, 10 * time.Millisecond, 8 * time.Second, 0},
		{time.Millisecond, time.Millisecond, 15 * time.Second, 1},
		{time.Second, time.Second, 20 * time.Second, 1},
		{time.Hour, time.Hour, time.Hour, 0},
	} {
		v := &verifier{report: &StorageReport{Throttled: test.throttled}}
		v.reads, v.writes = []time.Duration{test.read}, []time.Duration{test.write}
		v.summarize()
		assert.Equal(t, test.timeout, v.report.LeaderTimeout, "%+v", test)
		assert.Equal(t, test.timeout/3, v.report.FrequentInterval)

		config := ElectorConfig{
			LockfilePath: "k", ServerID: "a", ServerAddr: "127.0.0.1:1",
			LeaderTimeout: v.report.LeaderTimeout, FrequentInterval: v.report.FrequentInterval,
		}
		assert.NoError(t, config.Validate(), "what is recommended can be used")
	}
}
