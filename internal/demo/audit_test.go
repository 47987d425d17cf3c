package demo

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// answers makes samples from moments in milliseconds: a positive term is a yes, 0 is a no.
func answers(pairs ...int64) (samples []sample) {
	for i := 0; i < len(pairs); i += 2 {
		samples = append(samples, sample{At: time.Duration(pairs[i]) * ms, Leader: pairs[i+1] > 0, Term: pairs[i+1]})
	}
	return samples
}

func TestBeliefsAreRunsOfYeses(t *testing.T) {
	const tick = instantOfBelief
	tests := map[string]struct {
		samples []sample
		thaws   []time.Duration
		want    []belief
	}{
		"none": {answers(1, 0, 2, 0), nil, nil},
		"from the first yes to the last": {
			answers(1, 0, 2, 7, 3, 7, 4, 7, 5, 0), nil,
			[]belief{{Term: 7, From: 2 * ms, To: 4*ms + tick, Earliest: 1 * ms, Latest: 5 * ms}},
		},
		"a single yes has a length": {
			answers(2, 7), nil,
			[]belief{{Term: 7, From: 2 * ms, To: 2*ms + tick, Earliest: 2 * ms, Latest: 2*ms + tick}},
		},
		"a killed process believed until its last yes": {
			answers(1, 0, 2, 7, 9, 7), nil,
			[]belief{{Term: 7, From: 2 * ms, To: 9*ms + tick, Earliest: 1 * ms, Latest: 9*ms + tick}},
		},
		"a long silence between two yeses is belief": {
			answers(2, 7, 5000, 7), nil,
			[]belief{{Term: 7, From: 2 * ms, To: 5000*ms + tick, Earliest: 2 * ms, Latest: 5000*ms + tick}},
		},
		"a no in between separates": {
			answers(2, 7, 3, 0, 4, 7), nil,
			[]belief{
				{Term: 7, From: 2 * ms, To: 2*ms + tick, Earliest: 2 * ms, Latest: 3 * ms},
				{Term: 7, From: 4 * ms, To: 4*ms + tick, Earliest: 3 * ms, Latest: 4*ms + tick},
			},
		},
		"a new term is a new belief": {
			answers(2, 7, 3, 8), nil,
			[]belief{
				{Term: 7, From: 2 * ms, To: 2*ms + tick, Earliest: 2 * ms, Latest: 2*ms + tick},
				{Term: 8, From: 3 * ms, To: 3*ms + tick, Earliest: 3 * ms, Latest: 3*ms + tick},
			},
		},
		"frozen, nothing is believed; thawed, a yes counts": {
			answers(2, 7, 4, 7, 5000, 7, 5002, 0), []time.Duration{4999 * ms},
			[]belief{
				{Term: 7, From: 2 * ms, To: 4*ms + tick, Earliest: 2 * ms, Latest: 4*ms + tick},
				{Term: 7, From: 5000 * ms, To: 5000*ms + tick, Earliest: 4999 * ms, Latest: 5002 * ms},
			},
		},
		"frozen while it led, thawed without": {
			answers(2, 7, 4, 7, 5000, 0), []time.Duration{4999 * ms},
			[]belief{{Term: 7, From: 2 * ms, To: 4*ms + tick, Earliest: 2 * ms, Latest: 4*ms + tick, Thawed: span{4999 * ms, 5000 * ms}}},
		},
		"frozen while it followed": {
			answers(2, 0, 5000, 7), []time.Duration{4999 * ms},
			[]belief{{Term: 7, From: 5000 * ms, To: 5000*ms + tick, Earliest: 4999 * ms, Latest: 5000*ms + tick}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, beliefs(test.samples, test.thaws))
		})
	}
}

func TestOverlapsAreFound(t *testing.T) {
	of := func(process string, from, to int) belief {
		return belief{Process: process, From: time.Duration(from) * ms, To: time.Duration(to) * ms}
	}
	tests := map[string]struct {
		beliefs []belief
		want    []overlap
		sum     time.Duration
	}{
		"nobody":                  {nil, nil, 0},
		"one after the other":     {[]belief{of("a", 0, 10), of("b", 11, 20)}, nil, 0},
		"touching":                {[]belief{of("a", 0, 10), of("b", 10, 20)}, nil, 0},
		"one process, two terms":  {[]belief{of("a", 0, 10), of("a", 5, 20)}, nil, 0},
		"overlapping":             {[]belief{of("a", 0, 10), of("b", 7, 20)}, []overlap{{7 * ms, 10 * ms, []string{"a", "b"}}}, 3 * ms},
		"overlapping, told later": {[]belief{of("b", 7, 20), of("a", 0, 10)}, []overlap{{7 * ms, 10 * ms, []string{"a", "b"}}}, 3 * ms},
		"nested":                  {[]belief{of("a", 0, 10), of("b", 2, 3)}, []overlap{{2 * ms, 3 * ms, []string{"a", "b"}}}, 1 * ms},
		"equal":                   {[]belief{of("a", 0, 10), of("b", 0, 10)}, []overlap{{0, 10 * ms, []string{"a", "b"}}}, 10 * ms},
		"three count once": {
			[]belief{of("a", 0, 10), of("b", 4, 8), of("c", 6, 12)},
			[]overlap{
				{4 * ms, 6 * ms, []string{"a", "b"}},
				{6 * ms, 8 * ms, []string{"a", "b", "c"}},
				{8 * ms, 10 * ms, []string{"a", "c"}},
			},
			6 * ms,
		},
		"a restarted member is another process": {
			[]belief{of("a.1", 0, 10), of("a.2", 9, 20)}, []overlap{{9 * ms, 10 * ms, []string{"a.1", "a.2"}}}, 1 * ms,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, overlaps(test.beliefs))
			assert.Equal(t, test.sum, together(test.beliefs))
		})
	}
}

func TestASingleYesOfAThawedProcessIsAnOverlap(t *testing.T) {
	all := beside(answers(2, 7, 4, 7, 5000, 7, 5002, 0), answers(3000, 8, 3002, 8, 9000, 8))
	assert.Equal(t, time.Microsecond, together(all))
	assert.Equal(t, 3*ms, atWorst(all), "from the thaw to the no")
}

func TestWhatAThawedProcessBelievedUnseenCountsAtWorst(t *testing.T) {
	all := beside(answers(2, 7, 4, 7, 5002, 0), answers(3000, 8, 3002, 8, 9000, 8))
	assert.Zero(t, together(all))
	assert.Equal(t, 3*ms, atWorst(all))
}

// beside returns the beliefs of a process that was thawed after 4999 ms and those of the next leader.
func beside(zombie, next []sample) (all []belief) {
	for _, b := range beliefs(zombie, []time.Duration{4999 * ms}) {
		b.Process = "zombie"
		all = append(all, b)
	}
	for _, b := range beliefs(next, nil) {
		b.Process = "next"
		all = append(all, b)
	}
	return all
}

func TestTheWorstCaseReachesToTheNeighbouringNoes(t *testing.T) {
	a := belief{Process: "a", From: 1 * ms, To: 5 * ms, Earliest: 0, Latest: 7 * ms}
	b := belief{Process: "b", From: 6 * ms, To: 9 * ms, Earliest: 4 * ms, Latest: 9 * ms}
	assert.Zero(t, together([]belief{a, b}))
	assert.Equal(t, 3*ms, atWorst([]belief{a, b}))
}

func TestTheSuccessorIsAnotherProcess(t *testing.T) {
	ch := &chronicle{believed: []belief{
		{ID: "alpha", Term: 1, From: 1 * time.Second, To: 10 * time.Second},
		{ID: "alpha", Term: 2, From: 11 * time.Second, To: 12 * time.Second}, // it won once more
		{ID: "bravo", Term: 3, From: 14 * time.Second, To: 20 * time.Second},
	}}
	f := ch.outcome(struck{fault: faults[resign], ID: "alpha", At: 9 * time.Second})
	assert.Equal(t, "bravo", f.Successor)
	assert.Equal(t, int64(3), f.Term)
	assert.Equal(t, Millis(5*time.Second), f.Failover)
	assert.Equal(t, Millis(3*time.Second), f.Outlived)
	assert.Equal(t, Millis(2*time.Second), f.Leaderless)
}

func TestAnAuditCutShortByAKillIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	require.NoError(t, os.WriteFile(path, []byte(`{"at":1,"leader":true,"term":3}`+"\n"+`{"at":2,"lea`), 0o600))
	samples, err := readAudit(path)
	require.NoError(t, err)
	assert.Equal(t, []sample{{At: 1, Leader: true, Term: 3}}, samples)
}

func TestABadAuditIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	require.NoError(t, os.WriteFile(path, []byte("nonsense\n"), 0o600))
	_, err := readAudit(path)
	require.ErrorContains(t, err, path)
	_, err = readAudit(path + ".missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}
