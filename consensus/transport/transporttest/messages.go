package transporttest

import (
	"errors"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var configuration = raft.EncodeConfiguration(raft.Configuration{
	Servers: []raft.Server{{ID: "a", Address: "127.0.0.1:1"}, {ID: "b", Address: "127.0.0.1:2", Suffrage: raft.Nonvoter}},
})

// fill sets every field of a message to something that is not its zero value.
func fill(v reflect.Value, r *rand.Rand) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(r.Int63n(1<<33), r.Int63n(1e9)).UTC()))
		return
	case raft.LogType:
		v.SetUint(uint64(raft.LogBarrier))
		return
	case raft.SnapshotVersion:
		v.SetInt(1)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), r)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), r)
			if v.Type().Field(i).Name == "Configuration" {
				v.Field(i).SetBytes(configuration)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.Intn(300), 300))
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64, reflect.Int:
		v.SetInt(1 + r.Int63())
	case reflect.Uint64:
		v.SetUint(1<<63 + r.Uint64()>>1)
	case reflect.Uint8:
		v.SetUint(uint64(1 + r.Intn(255)))
	default:
		panic("a field of kind " + v.Kind().String())
	}
}

func filled[T any](r *rand.Rand) *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem(), r)
	return v
}

// everyMessageArrives sends each kind of message with all fields set, also those that the engine may get in future.
func everyMessageArrives(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	received := make(chan any, 1)
	responses := make(chan any, 1)
	b.answer(func(rpc raft.RPC) {
		received <- rpc.Command
		rpc.Respond(<-responses, nil)
	})
	r := rand.New(rand.NewSource(1)) //nolint:gosec // the same bytes in each run
	to, id := b.LocalAddr(), b.id
	for range 20 {
		exchange(t, r, received, responses, func(q *raft.AppendEntriesRequest, p *raft.AppendEntriesResponse) error {
			return a.AppendEntries(id, to, q, p)
		})
		exchange(t, r, received, responses, func(q *raft.RequestVoteRequest, p *raft.RequestVoteResponse) error {
			return a.RequestVote(id, to, q, p)
		})
		exchange(t, r, received, responses, func(q *raft.RequestPreVoteRequest, p *raft.RequestPreVoteResponse) error {
			return a.RequestPreVote(id, to, q, p)
		})
		exchange(t, r, received, responses, func(q *raft.TimeoutNowRequest, p *raft.TimeoutNowResponse) error {
			return a.TimeoutNow(id, to, q, p)
		})
		exchange(t, r, received, responses, func(q *raft.InstallSnapshotRequest, p *raft.InstallSnapshotResponse) error {
			q.Size = 3
			return a.InstallSnapshot(id, to, q, p, strings.NewReader("abc"))
		})
	}
}

func exchange[Q, P any](t *testing.T, r *rand.Rand, received, responses chan any, call func(*Q, *P) error) {
	t.Helper()
	request, response, got := filled[Q](r), filled[P](r), new(P)
	responses <- response
	require.NoError(t, call(request, got))
	assert.Equal(t, request, <-received)
	assert.Equal(t, response, got)
}

func nilAndEmpty(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	received := make(chan *raft.AppendEntriesRequest, 1)
	b.answer(func(rpc raft.RPC) {
		received <- appendOf(rpc)
		agree(rpc)
	})
	request := entries(1, 2, 0)
	request.Entries[0].Data, request.Entries[1].Data = nil, []byte{}
	request.Entries[0].AppendedAt = time.Time{}
	require.NoError(t, a.AppendEntries(b.id, b.LocalAddr(), request, new(raft.AppendEntriesResponse)))
	got := <-received
	assert.Nil(t, got.Entries[0].Data)
	assert.NotNil(t, got.Entries[1].Data)
	assert.True(t, got.Entries[0].AppendedAt.IsZero())
}

// engineError also shows that the connection is of use afterwards.
func engineError(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(func(rpc raft.RPC) { rpc.Respond(nil, errors.New("the log is on fire")) })
	for range 3 {
		for name, call := range everyCall(a, b.id, b.LocalAddr()) {
			assert.EqualError(t, call(), "the log is on fire", name)
		}
	}
}

// notShared has both sides change what they sent and got: the race detector sees to the rest.
func notShared(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	done := make(chan struct{})
	b.answer(func(rpc raft.RPC) {
		r := appendOf(rpc)
		response := &raft.AppendEntriesResponse{RPCHeader: raft.RPCHeader{ID: []byte("bbb")}}
		rpc.Respond(response, nil)
		r.Entries[0].Data[0], r.ID[0] = 'x', 'x'
		done <- struct{}{}
	})
	request := entries(1, 1, 16)
	var response raft.AppendEntriesResponse
	require.NoError(t, a.AppendEntries(b.id, b.LocalAddr(), request, &response))
	request.Entries[0].Data[0], request.ID[0], response.ID[0] = 'y', 'y', 'y'
	<-done
	assert.EqualValues(t, 'y', request.Entries[0].Data[0])
}

// heartbeats are answered while nobody takes requests.
func heartbeats(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.SetHeartbeatHandler(func(rpc raft.RPC) {
		rpc.Respond(&raft.AppendEntriesResponse{Term: 42, Success: true}, nil)
	})
	var response raft.AppendEntriesResponse
	require.NoError(t, a.AppendEntries(b.id, b.LocalAddr(), heartbeat(5), &response))
	assert.EqualValues(t, 42, response.Term)

	b.answer(agree)
	for _, almost := range []func(*raft.AppendEntriesRequest){
		func(r *raft.AppendEntriesRequest) { r.LeaderCommitIndex = 1 },
		func(r *raft.AppendEntriesRequest) { r.PrevLogEntry = 1 },
		func(r *raft.AppendEntriesRequest) { r.PrevLogTerm = 1 },
		func(r *raft.AppendEntriesRequest) { r.Entries = entries(1, 1, 1).Entries },
	} {
		request := heartbeat(5)
		almost(request)
		require.NoError(t, a.AppendEntries(b.id, b.LocalAddr(), request, &response))
		assert.EqualValues(t, 5, response.Term, "this is for the engine's queue")
	}
}

func heartbeatsWithoutHandler(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(agree)
	var response raft.AppendEntriesResponse
	require.NoError(t, a.AppendEntries(b.id, b.LocalAddr(), heartbeat(5), &response))
	assert.EqualValues(t, 5, response.Term)
}
