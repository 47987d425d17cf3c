package s3lect

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadLeaderRecordTellsAbsentFromBad(t *testing.T) {
	s := newMemStorage()
	_, err := ReadLeaderRecord(t.Context(), s, testKey)
	require.ErrorIs(t, err, ErrStorageNotFound)

	s.put([]byte("hello"))
	_, err = ReadLeaderRecord(t.Context(), s, testKey)
	require.ErrorIs(t, err, ErrBadRecord)
	var bad *BadRecordError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, testKey, bad.Key)
	assert.Contains(t, err.Error(), "s3lect repair")

	s.put([]byte(`{"leaderID":"a","lastUpdated":"2024-10-27T10:30:45Z","term":3}`))
	r, err := ReadLeaderRecord(t.Context(), s, testKey)
	require.NoError(t, err)
	assert.EqualValues(t, 3, r.Term)
	assert.NotEmpty(t, r.Metadata.ETag)
	assert.False(t, r.Resigned())
}

// noETag is a storage that breaks its contract.
type noETag struct{ *memStorage }

func (s noETag) Get(ctx context.Context, key string) ([]byte, string, error) {
	data, _, err := s.memStorage.Get(ctx, key)
	return data, "", err
}

func TestAnswerWithoutAnETagIsAnError(t *testing.T) {
	s := newMemStorage()
	s.put([]byte(`{"lastUpdated":"0001-01-01T00:00:00Z"}`))
	_, err := ReadLeaderRecord(t.Context(), noETag{s}, testKey)
	require.ErrorContains(t, err, "without an ETag")
}

func TestRepairWritesAResignedRecordAboveTheOldTerm(t *testing.T) {
	for old, want := range map[string]int64{
		`garbage`:                             1,
		`{"leaderID":"a","term":41,"lastUpd`:  42,
		`{"term": 7, "nested": {"term": 9} }`: 10,
		`{"term":-3}`:                         1,
		`{"term":99999999999999999999}`:       1,
		`{"term":5000000000000000,"leaseM`:    5000000000000001,
	} {
		t.Run(old, func(t *testing.T) {
			s := newMemStorage()
			s.put([]byte(old))
			r, err := RepairLeaderRecord(t.Context(), s, testKey, etagOf([]byte(old)), 0)
			require.NoError(t, err)
			assert.Equal(t, want, r.Term)
			assert.True(t, s.record(t).Resigned())
			assert.Equal(t, want, s.record(t).Term)
		})
	}
}

func TestRepairObeysTheLeastTermAndRefusesAnImpossibleOne(t *testing.T) {
	s := newMemStorage()
	s.put([]byte("x"))
	_, err := RepairLeaderRecord(t.Context(), s, testKey, etagOf([]byte("x")), 1<<53)
	require.ErrorContains(t, err, "choose another key")
	r, err := RepairLeaderRecord(t.Context(), s, testKey, etagOf([]byte("x")), 100)
	require.NoError(t, err)
	assert.EqualValues(t, 100, r.Term)
}

func TestRepairLeavesAnObjectThatHasChangedMeanwhile(t *testing.T) {
	s := newMemStorage()
	s.put([]byte("changed"))
	_, err := RepairLeaderRecord(t.Context(), s, testKey, etagOf([]byte("looked at")), 0)
	require.ErrorIs(t, err, ErrStoragePrecondition)
	assert.Equal(t, []byte("changed"), s.objects[testKey])
}

func TestRepairLeavesAnObjectThatIsTooLargeToHaveBeenSeenWhole(t *testing.T) {
	s := newMemStorage()
	large := bytes.Repeat([]byte("x"), maxObjectSize+1)
	s.put(large)
	_, err := RepairLeaderRecord(t.Context(), s, testKey, etagOf(large), 0)
	require.ErrorContains(t, err, "storage's own tools")
	assert.Equal(t, large, s.objects[testKey])

	s.put(large[1:])
	_, err = RepairLeaderRecord(t.Context(), s, testKey, etagOf(large[1:]), 0)
	require.NoError(t, err, "one that just fits can be seen whole")
}
