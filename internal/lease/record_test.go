package lease

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecordSurvivesEncodingAndDecoding(t *testing.T) {
	r := Record{
		LeaderID: "a", LeaderAddr: "h:1", LastUpdated: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Term: 7,
		Session: "s", Nonce: "n", Lease: 15 * time.Second, Successor: "b",
		QuorumLost: true,
	}
	data, err := r.Encode()
	require.NoError(t, err)
	decoded, err := Decode(data)
	require.NoError(t, err)
	assert.Equal(t, r, *decoded)
}

func TestRecordsOfOlderSoftwareAreRead(t *testing.T) {
	r, err := Decode([]byte(`{"leaderID":"server-1","leaderAddr":"10.0.0.1:8443","lastUpdated":"2024-10-27T10:30:45Z"}`))
	require.NoError(t, err)
	assert.Equal(t, "server-1", r.LeaderID)
	assert.Zero(t, r.Term)
	assert.False(t, r.Resigned())

	r, err = Decode([]byte(`{"lastUpdated":"0001-01-01T00:00:00Z"}`))
	require.NoError(t, err)
	assert.True(t, r.Resigned())
}

func TestWhatIsNotARecordIsRefusedWithTheReason(t *testing.T) {
	record := func(field string) string {
		return `{"leaderID":"a","lastUpdated":"2024-10-27T10:30:45Z",` + field + `}`
	}
	for data, reason := range map[string]string{
		"":                                       "not JSON",
		"null":                                   "no lastUpdated",
		"{}":                                     "no lastUpdated",
		"[]":                                     "not JSON of the right shape",
		"hello":                                  "not JSON",
		`{"leaderID":"a"}`:                       "no lastUpdated",
		`{"some":"thing else"}`:                  "no lastUpdated",
		`{"lastUpdated":null}`:                   "no lastUpdated",
		`{"lastUpdated":"yesterday"}`:            "not JSON of the right shape",
		`{"lastUpdated":1700000000}`:             "not JSON of the right shape",
		`{"lastUpdated":"2024-10-27T10:30:45Z"}`: "no leaderID",
		record(`"term":-1`):                      "term -1",
		record(`"term":1.5`):                     "not JSON of the right shape",
		record(`"term":"7"`):                     "not JSON of the right shape",
		record(`"term":9007199254740991`):        "term 9007199254740991",
		record(`"term":99999999999999999999`):    "not JSON of the right shape",
		record(`"leaseMillis":-5`):               "leaseMillis -5",
		record(`"leaseMillis":3600001`):          "leaseMillis 3600001",
		record(`"nonce":7`):                      "not JSON of the right shape",
		record(`"term":1`) + "x":                 "not JSON",
		record(`"nonce":"` + strings.Repeat("x", MaxRecord) + `"`): "over 65536 bytes",
	} {
		t.Run(fmt.Sprintf("%.40s", data), func(t *testing.T) {
			_, err := Decode([]byte(data))
			require.Error(t, err)
			assert.Contains(t, err.Error(), reason)
		})
	}
}

func TestRecordOverTheLimitIsNotEncoded(t *testing.T) {
	r := Record{LeaderID: strings.Repeat("x", MaxRecord)}
	_, err := r.Encode()
	require.ErrorContains(t, err, "over the limit")
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"leaderID":"a","leaderAddr":"h:1","lastUpdated":"2024-10-27T10:30:45Z","term":3,"session":"s","nonce":"n","leaseMillis":15000,"successor":"b"}`))
	f.Add([]byte(`{"lastUpdated":"0001-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"lastUpdated":"0001-01-01T00:00:00+01:00","leaderID":"\ud800"}`))
	f.Add([]byte(`{"LASTUPDATED":"2024-10-27T10:30:45.123456789-23:59","leaderid":"a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			return
		}
		if r.Term < 0 || r.Term >= MaxTerm || r.Lease < 0 || r.Lease > MaxLease || r.LeaderID == "" && !r.Resigned() {
			t.Fatalf("accepted an absurd record: %+v", r)
		}
		again, err := r.Encode()
		if err != nil {
			return // grown over the limit by escapes
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("%q does not survive: %v", again, err)
		}
		if !back.LastUpdated.Equal(r.LastUpdated) {
			t.Fatalf("time changed from %v to %v", r.LastUpdated, back.LastUpdated)
		}
		a, b := *r, *back
		a.LastUpdated, b.LastUpdated = time.Time{}, time.Time{}
		if a != b {
			t.Fatalf("%+v came back as %+v", a, b)
		}
	})
}

func TestPublishedListSurvivesAndIsNoPartOfTheRecord(t *testing.T) {
	r := Record{LeaderID: "a", LastUpdated: time.Unix(1, 0).UTC(), Term: 1}
	list := []Observer{{ID: "c", AgeMillis: 1234, Metadata: map[string]string{"zone": "eu"}}, {ID: "d"}}
	data, err := r.Encode(list...)
	require.NoError(t, err)
	assert.Equal(t, list, DecodeObservers(data))
	decoded, err := Decode(data)
	require.NoError(t, err)
	assert.Equal(t, r, *decoded)

	garbled := []byte(`{"leaderID":"a","lastUpdated":"1970-01-01T00:00:01Z","term":1,"observers":[{"id":7}]}`)
	decoded, err = Decode(garbled)
	require.NoError(t, err, "a list that is none harms nobody")
	assert.Equal(t, r, *decoded)
	assert.Empty(t, DecodeObservers(garbled))
}
