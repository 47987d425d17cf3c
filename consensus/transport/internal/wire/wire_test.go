package wire_test

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

var header = raft.RPCHeader{ProtocolVersion: 3, ID: []byte("node"), Addr: []byte("127.0.0.1:7000")}

var configuration = raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "node", Address: "127.0.0.1:7000"}}})

// requests are one of each kind. That all fields arrive is what the transports' tests see to.
func requests() []any {
	return []any{
		&raft.AppendEntriesRequest{RPCHeader: header, Term: math.MaxUint64, Entries: []*raft.Log{
			{Index: math.MaxUint64, Term: 3, Type: raft.LogCommand, Data: []byte("data"), Extensions: []byte("more"), AppendedAt: time.Unix(-1, 1).UTC()},
			{Index: 2, Type: raft.LogConfiguration, Data: configuration},
		}},
		&raft.AppendEntriesRequest{},
		&raft.RequestVoteRequest{RPCHeader: header, Term: 1, Candidate: []byte("x"), LeadershipTransfer: true}, //nolint:staticcheck // the engine still sends it
		&raft.RequestPreVoteRequest{RPCHeader: header, Term: 1, LastLogIndex: 2, LastLogTerm: 3},
		&raft.TimeoutNowRequest{RPCHeader: header},
		&raft.InstallSnapshotRequest{RPCHeader: header, SnapshotVersion: 1, Configuration: configuration, Size: math.MaxInt64},
	}
}

func responses() []any {
	return []any{
		&raft.AppendEntriesResponse{RPCHeader: header, Term: 1, LastLog: 2, Success: true},
		&raft.RequestVoteResponse{RPCHeader: header, Term: 1, Peers: []byte("x"), Granted: true},
		&raft.RequestPreVoteResponse{RPCHeader: header, Term: 1, Granted: true},
		&raft.TimeoutNowResponse{RPCHeader: header},
		&raft.InstallSnapshotResponse{RPCHeader: header, Term: 1, Success: true},
	}
}

func encode(tb testing.TB, request any) []byte {
	tb.Helper()
	b, err := wire.AppendRequest(nil, request)
	require.NoError(tb, err)
	return b
}

func TestSizeIsAnUpperBound(t *testing.T) {
	huge := raft.RPCHeader{ProtocolVersion: math.MinInt, ID: make([]byte, 1000), Addr: make([]byte, 1000)}
	most := uint64(math.MaxUint64)
	for _, request := range append(requests(),
		&raft.AppendEntriesRequest{
			RPCHeader: huge, Term: most, Leader: make([]byte, 1000), PrevLogEntry: most, PrevLogTerm: most, LeaderCommitIndex: most, //nolint:staticcheck // the engine still sends it
			Entries: []*raft.Log{{
				Index: most, Term: most, Type: 255, AppendedAt: time.Unix(math.MinInt, 999999999), Data: make([]byte, 1000), Extensions: make([]byte, 1000),
			}},
		},
		&raft.RequestVoteRequest{RPCHeader: huge, Term: most, Candidate: make([]byte, 1000), LastLogIndex: most, LastLogTerm: most}, //nolint:staticcheck // the engine still sends it
		&raft.RequestPreVoteRequest{RPCHeader: huge, Term: most, LastLogIndex: most, LastLogTerm: most},
		&raft.TimeoutNowRequest{RPCHeader: huge},
		&raft.InstallSnapshotRequest{
			RPCHeader: huge, SnapshotVersion: math.MinInt, Term: most, Leader: make([]byte, 1000), LastLogIndex: most, LastLogTerm: most,
			Peers: make([]byte, 1000), Configuration: make([]byte, 1000), ConfigurationIndex: most, Size: math.MinInt,
		},
	) {
		assert.LessOrEqual(t, len(encode(t, request)), wire.Size(request), "%T", request)
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	for _, request := range requests() {
		b := encode(t, request)
		for n := range b {
			_, err := wire.DecodeRequest(b[:n])
			require.ErrorIs(t, err, wire.ErrMalformed, "%T, %d of %d bytes", request, n, len(b))
		}
		_, err := wire.DecodeRequest(append(b, 0))
		require.ErrorIs(t, err, wire.ErrMalformed, "%T and a byte more", request)
	}
}

func TestAnswersAreRefusedThatAreNotWhole(t *testing.T) {
	for i, response := range responses() {
		b, err := wire.AppendResponse(nil, response, nil)
		require.NoError(t, err)
		for n := range b {
			got := new(raft.AppendEntriesResponse)
			require.Error(t, wire.DecodeResponse(b[:n], got))
			require.Zero(t, *got, "an answer that is not whole changes nothing")
		}
		for j, other := range responses() {
			require.Equal(t, i == j, wire.DecodeResponse(b, other) == nil, "%T as %T", response, other)
		}
	}
}

func TestErrorsOfTheEngineAreToldFromBadMessages(t *testing.T) {
	b, err := wire.AppendResponse(nil, nil, errors.New("no"))
	require.NoError(t, err)
	err = wire.DecodeResponse(b, new(raft.TimeoutNowResponse))
	var remote *wire.RemoteError
	require.ErrorAs(t, err, &remote)
	assert.Equal(t, "no", remote.Text)
	assert.NotErrorIs(t, err, wire.ErrMalformed)
}

func TestWorkingIsNoAnswer(t *testing.T) {
	b := wire.AppendWorking(nil)
	assert.True(t, wire.StillWorking(b))
	require.ErrorIs(t, wire.DecodeResponse(b, new(raft.TimeoutNowResponse)), wire.ErrMalformed)
	empty, err := wire.AppendResponse(nil, nil, errors.New(""))
	require.NoError(t, err)
	assert.False(t, wire.StillWorking(empty))
}

// What follows ends the process where the engine gets it.
func TestWhatTheEngineWouldPanicOnIsRefused(t *testing.T) {
	for name, request := range map[string]any{
		"a configuration entry that is none": &raft.AppendEntriesRequest{Entries: []*raft.Log{{Type: raft.LogConfiguration, Data: []byte("\xc1")}}},
		"an empty configuration entry":       &raft.AppendEntriesRequest{Entries: []*raft.Log{{Type: raft.LogConfiguration}}},
		"a snapshot's configuration":         &raft.InstallSnapshotRequest{SnapshotVersion: 1, Configuration: []byte("\xc1")},
		"a snapshot of a negative size":      &raft.InstallSnapshotRequest{SnapshotVersion: 1, Configuration: configuration, Size: -1},
	} {
		_, err := wire.DecodeRequest(encode(t, request))
		require.ErrorIs(t, err, wire.ErrMalformed, name)
	}
}

func TestLengthsThatAreNotTrueAllocateNothing(t *testing.T) {
	start := []byte{1, 0, 0, 0, 1, 0, 0, 0, 0} // AppendEntries up to the number of its entries
	for name, b := range map[string][]byte{
		"entries":      binary.AppendUvarint(start, 1<<16),
		"many entries": binary.AppendUvarint(start, math.MaxUint64),
		"bytes":        binary.AppendUvarint([]byte{2, 0}, 1<<40),
		"most bytes":   binary.AppendUvarint([]byte{2, 0}, math.MaxUint64),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := wire.DecodeRequest(b)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, wire.ErrMalformed, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), name)
	}
}

func TestDecodedMessagesKeepNothingOfTheBuffer(t *testing.T) {
	for _, request := range requests() {
		b := encode(t, request)
		got, err := wire.DecodeRequest(b)
		require.NoError(t, err)
		clear(b)
		assert.Equal(t, request, got)
	}
}

func TestUnknownTypesAreRefused(t *testing.T) {
	_, err := wire.AppendRequest(nil, "text")
	require.ErrorContains(t, err, "string")
	_, err = wire.AppendResponse(nil, "text", nil)
	require.ErrorContains(t, err, "string")
	require.ErrorContains(t, wire.DecodeResponse([]byte{1, 1}, new(strings.Builder)), "Builder")
}

// FuzzDecode also holds that what has been read can be written and read again.
func FuzzDecode(f *testing.F) {
	for _, request := range requests() {
		f.Add(encode(f, request))
	}
	for _, response := range responses() {
		b, err := wire.AppendResponse(nil, response, nil)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, response := range responses() {
			_ = wire.DecodeResponse(b, response)
		}
		request, err := wire.DecodeRequest(b)
		if err != nil {
			return
		}
		again, err := wire.DecodeRequest(encode(t, request))
		require.NoError(t, err)
		require.Equal(t, request, again)
		require.LessOrEqual(t, len(encode(t, request)), wire.Size(request))
	})
}
