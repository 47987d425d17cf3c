package s3lect

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// StorageReport is what [VerifyStorage] found out about a storage. Durations are in nanoseconds
// when it is written as JSON.
type StorageReport struct {
	// Safe is whether the storage passed every required check. Leader election on one that did not
	// could see two leaders, or none ever.
	Safe bool `json:"safe"`
	// Checks are the claims that were tested, in that order. They end early where a failed one
	// leaves no sense in the next.
	Checks []StorageCheck `json:"checks"`

	// Read and Write are the latencies of single requests, made one after the other.
	Read  LatencySummary `json:"read"`
	Write LatencySummary `json:"write"`
	// RoundTrip is the larger of the two 99th percentiles, from which the intervals follow.
	RoundTrip time.Duration `json:"roundTrip"`
	// LeaderTimeout is the shortest lease to be recommended here: 20 round trips, so that a slow
	// attempt still takes far less than the fifth of a lease which it may take; not below 3s, nor
	// below 15s where the storage throttled. FrequentInterval is a third of it. Longer ones cost
	// fewer requests. Both are 0 if nothing was measured.
	LeaderTimeout    time.Duration `json:"leaderTimeout"`
	FrequentInterval time.Duration `json:"frequentInterval"`

	// ETagSpelling says which spellings of an ETag the storage takes back: "as-given", "unquoted"
	// or "either". It is empty where there is only one.
	ETagSpelling string `json:"etagSpelling,omitempty"`
	// Throttled counts the requests that the storage refused because there were too many.
	Throttled int `json:"throttled"`
	// LeftBehind is the key of the one small object that could not be deleted, if so.
	LeftBehind string `json:"leftBehind,omitempty"`
}

// StorageCheck is one tested claim.
type StorageCheck struct {
	// Name is the claim, such as "a stale replace is refused".
	Name string `json:"name"`
	// Required is whether elections depend on it. Failing another one only makes them slower.
	Required bool `json:"required"`
	Passed   bool `json:"passed"`
	// Detail says what was seen, and what to do if it failed.
	Detail string `json:"detail,omitempty"`
}

// LatencySummary describes a number of equal requests.
type LatencySummary struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
}

// VerifyStorage tests a live storage for what leader election needs of it, and measures it. A
// storage may accept conditions and not heed them, which shows only when somebody tries.
//
// It takes seconds, and some hundred requests. All of them are about one object of its own, whose
// key is the given one with ".probe-" and a random part behind it. In the end the object is deleted
// if the storage is a [Deleter] and permits it; else it stays, and says that it can be deleted.
//
// The error says that the test could not be carried out, for want of permission for example; the
// report then has what was found until then, and is not Safe. A storage that fails is not an error,
// even if it fails so badly that the test cannot be completed.
func VerifyStorage(ctx context.Context, storage Storage, key string) (*StorageReport, error) {
	if storage == nil {
		return &StorageReport{}, errors.New("verify storage: the storage is nil")
	}
	v := &verifier{storage: storage, key: key + ".probe-" + strings.ToLower(rand.Text()[:12]), report: &StorageReport{}}
	err := v.run(ctx)
	v.tidy(ctx)
	v.summarize()
	if err != nil && !v.passed() && ctx.Err() == nil {
		v.add(StorageCheck{Name: "all checks could be made", Detail: err.Error()})
		return v.report, nil // the answer is known all the same
	}
	if err != nil {
		return v.report, fmt.Errorf("verify storage: %w", err)
	}
	v.report.Safe = v.passed()
	return v.report, nil
}

func (v *verifier) passed() bool {
	for _, check := range v.report.Checks {
		if check.Required && !check.Passed {
			return false
		}
	}
	return true
}

const (
	shortestLeaderTimeout = 3 * time.Second
	roundTripsPerLease    = 20
)

func (v *verifier) summarize() {
	r := v.report
	r.Read, r.Write = summarizeLatencies(v.reads), summarizeLatencies(v.writes)
	if r.Read.Count == 0 || r.Write.Count == 0 {
		return
	}
	r.RoundTrip = max(r.Read.P99, r.Write.P99)
	r.LeaderTimeout = max(shortestLeaderTimeout, roundUp(roundTripsPerLease*r.RoundTrip, time.Second))
	if r.Throttled > 0 {
		r.LeaderTimeout = max(r.LeaderTimeout, DefaultLeaderTimeout)
	}
	r.LeaderTimeout = min(r.LeaderTimeout, MaxLeaderTimeout)
	r.FrequentInterval = r.LeaderTimeout / 3
}

func roundUp(d, unit time.Duration) time.Duration {
	return (d + unit - 1).Truncate(unit)
}
