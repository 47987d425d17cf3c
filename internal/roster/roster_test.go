package roster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRosterSurvivesEncodingAndDecoding(t *testing.T) {
	r := &Roster{}
	require.NoError(t, r.Register("b", nil))
	require.NoError(t, r.Register("a", map[string]string{"zone": "eu"}))
	require.True(t, r.Beat("b"))
	data, err := r.Encode()
	require.NoError(t, err)
	back, err := Decode(data)
	require.NoError(t, err)
	assert.Equal(t, &Roster{Version: 1, Observers: []Entry{
		{ID: "a", Beats: 1, Metadata: map[string]string{"zone": "eu"}}, {ID: "b", Beats: 2},
	}}, back)
}

func TestNoTwoVersionsHaveEqualBytes(t *testing.T) {
	r := &Roster{}
	seen := map[string]bool{}
	for range 10 {
		require.NoError(t, r.Register("a", nil))
		data, err := r.Encode()
		require.NoError(t, err)
		assert.False(t, seen[string(data)])
		seen[string(data)] = true
		require.True(t, r.Remove("a")) // registered anew, its counter begins again
	}
}

func TestCounterOfAnObserverThatComesBackIsNoneItHadBefore(t *testing.T) {
	r := &Roster{}
	last := int64(0)
	for range 10 {
		require.NoError(t, r.Register("a", nil))
		require.Greater(t, r.Find("a").Beats, last)
		_, err := r.Encode()
		require.NoError(t, err)
		require.True(t, r.Beat("a"))
		last = r.Find("a").Beats
		_, err = r.Encode()
		require.NoError(t, err)
		require.True(t, r.Remove("a"))
		_, err = r.Encode()
		require.NoError(t, err)
	}
}

func TestFiveHundredOrdinaryObserversFitWithLongCounters(t *testing.T) {
	r := &Roster{}
	for i := range 500 {
		require.NoError(t, r.Register(fmt.Sprintf("scheduler-7d9c6b5f4-%05d", i), map[string]string{"zone": "eu-central-1a"}))
	}
	for i := range r.Observers {
		r.Observers[i].Beats = 100_000_000
	}
	data, err := r.Encode()
	require.NoError(t, err)
	assert.LessOrEqual(t, len(data), MaxSize)
}

func TestObserverThatDoesNotFitIsRefusedAndTheListGoesOn(t *testing.T) {
	large := map[string]string{"words": strings.Repeat("w", 900)}
	r := &Roster{}
	n := 0
	var err error
	for ; err == nil; n++ {
		list := *r
		list.Observers = append([]Entry(nil), r.Observers...)
		if err = list.Register(fmt.Sprint("n", n), large); err == nil {
			*r = list
		}
	}
	require.ErrorIs(t, err, ErrFull)
	assert.ErrorContains(t, err, fmt.Sprintf("%q", fmt.Sprint("n", n-1)))
	assert.ErrorContains(t, err, "shorten the metadata")
	assert.Greater(t, n, 60)
	for range 1000 {
		require.True(t, r.Beat("n0"))
		_, err := r.Encode()
		require.NoError(t, err, "those who are there go on")
	}
	require.NoError(t, r.Register("n0", nil), "shorter metadata always fits")
}

func TestWhatIsNoRosterIsRefusedWithAReason(t *testing.T) {
	for data, reason := range map[string]string{
		``:                              "JSON",
		`[]`:                            "JSON",
		`{"leaderID":"a"}`:              "no version",
		`{"version":1}`:                 "no observers",
		`{"observers":[]}`:              "no version",
		`{"version":"1"}`:               "JSON",
		`{"version":-1,"observers":[]}`: "version -1",
		`{"version":1,"observers":[{"beats":1}]}`:                      "without ID",
		`{"version":1,"observers":[{"id":"a","beats":-1}]}`:            "-1 beats",
		`{"version":1,"observers":[{"id":"a"},{"id":"b"},{"id":"a"}]}`: "twice",
		`{"version":1,"observers":[{"id":"a","metadata":{"a":1}}]}`:    "JSON",
		`{"version":1,"observers":[]}` + strings.Repeat(" ", MaxSize):  "over 65536",
	} {
		_, err := Decode([]byte(data))
		assert.ErrorContains(t, err, reason, "%.60s", data)
	}
}

func TestMetadataIsTextOfAtMostAKibibyte(t *testing.T) {
	assert.NoError(t, CheckMetadata(nil))
	assert.NoError(t, CheckMetadata(map[string]string{"zone": "eu", "empty": ""}))
	assert.ErrorContains(t, CheckMetadata(map[string]string{"words": strings.Repeat("w", MaxMetadata)}), "at most 1024")
	assert.ErrorContains(t, CheckMetadata(map[string]string{"": "x"}), "empty")
	assert.ErrorContains(t, CheckMetadata(map[string]string{"x": "\xff"}), "UTF-8")
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":3,"observers":[{"id":"a","beats":2,"metadata":{"zone":"eu"}},{"id":"b"}]}`))
	f.Add([]byte(`{"version":9223372036854775807,"observers":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			return // what is escaped takes more room
		}
		if _, err := Decode(again); err != nil {
			t.Fatalf("%q does not survive: %v", again, err)
		}
	})
}
