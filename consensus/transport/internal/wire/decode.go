package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// maxEntries is the number of entries that a message may have. The engine sends 1,024 at the most.
const maxEntries = 1 << 16

// ErrMalformed says that bytes are no message of this encoding.
var ErrMalformed = errors.New("malformed message")

// RemoteError is an error that the peer's engine answered with. The connection is sound.
type RemoteError struct{ Text string }

func (e *RemoteError) Error() string { return e.Text }

// DecodeRequest reads a request: a pointer to one of the engine's five structs. It keeps nothing of b.
func DecodeRequest(b []byte) (any, error) {
	d := &decoder{rest: b}
	var request any
	switch kind := d.byte(); kind {
	case kindAppendEntries:
		request = d.appendEntries()
	case kindRequestVote:
		request = &raft.RequestVoteRequest{
			RPCHeader: d.header(), Term: d.uint(), Candidate: d.bytes(), LastLogIndex: d.uint(), LastLogTerm: d.uint(), //nolint:staticcheck // the engine still sends it
			LeadershipTransfer: d.bool(),
		}
	case kindRequestPreVote:
		request = &raft.RequestPreVoteRequest{
			RPCHeader: d.header(), Term: d.uint(), LastLogIndex: d.uint(), LastLogTerm: d.uint(),
		}
	case kindTimeoutNow:
		request = &raft.TimeoutNowRequest{RPCHeader: d.header()}
	case kindInstallSnapshot:
		request = d.installSnapshot()
	default:
		d.fail("unknown kind %d", kind)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return request, nil
}

// DecodeResponse reads an answer into a pointer to one of the engine's five response structs, which is changed
// only if the result is nil. An error of the peer's engine is a *RemoteError. StillWorking is to be asked first where
// the peer may say so.
func DecodeResponse(b []byte, response any) error {
	d := &decoder{rest: b}
	switch answer := d.byte(); answer {
	case answered:
	case failed:
		return &RemoteError{Text: string(d.rest)}
	default:
		return fmt.Errorf("%w: unknown answer %d", ErrMalformed, answer)
	}
	kind := d.byte()
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		d.expect(kind, kindAppendEntries)
		v := raft.AppendEntriesResponse{
			RPCHeader: d.header(), Term: d.uint(), LastLog: d.uint(), Success: d.bool(), NoRetryBackoff: d.bool(),
		}
		return store(d, r, v)
	case *raft.RequestVoteResponse:
		d.expect(kind, kindRequestVote)
		return store(d, r, raft.RequestVoteResponse{
			RPCHeader: d.header(), Term: d.uint(), Peers: d.bytes(), Granted: d.bool(),
		})
	case *raft.RequestPreVoteResponse:
		d.expect(kind, kindRequestPreVote)
		return store(d, r, raft.RequestPreVoteResponse{RPCHeader: d.header(), Term: d.uint(), Granted: d.bool()})
	case *raft.TimeoutNowResponse:
		d.expect(kind, kindTimeoutNow)
		return store(d, r, raft.TimeoutNowResponse{RPCHeader: d.header()})
	case *raft.InstallSnapshotResponse:
		d.expect(kind, kindInstallSnapshot)
		return store(d, r, raft.InstallSnapshotResponse{RPCHeader: d.header(), Term: d.uint(), Success: d.bool()})
	default:
		return fmt.Errorf("no decoding for a response of type %T", response)
	}
}

// StillWorking says whether an answer is none yet, but a sign that the request is being worked on.
func StillWorking(b []byte) bool { return len(b) == 1 && b[0] == working }

func store[T any](d *decoder, response *T, value T) error {
	if err := d.end(); err != nil {
		return err
	}
	*response = value
	return nil
}

// decoder reads fields off the front of rest. After the first error every field is zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	d.rest = nil
}

func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.fail("%d bytes too many", len(d.rest))
	}
	return d.err
}

func (d *decoder) expect(kind, want byte) {
	if kind != want {
		d.fail("an answer of kind %d to a request of kind %d", kind, want)
	}
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail("too short")
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) bool() bool { return d.byte() != 0 }

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("too short, or a number too large")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail("too short, or a number too large")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) bytes() []byte {
	size := d.uint()
	if size == 0 {
		return nil
	}
	size--
	if size > uint64(len(d.rest)) {
		d.fail("%d bytes are said to follow, %d do", size, len(d.rest))
		return nil
	}
	value := bytes.Clone(d.rest[:size])
	d.rest = d.rest[size:]
	return value
}

func (d *decoder) time() time.Time {
	seconds, nanoseconds := d.int(), d.uint()
	if nanoseconds >= uint64(time.Second) {
		d.fail("a time with %d nanoseconds", nanoseconds)
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC()
}

func (d *decoder) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersion(d.int()), ID: d.bytes(), Addr: d.bytes()}
}

func (d *decoder) appendEntries() *raft.AppendEntriesRequest {
	r := &raft.AppendEntriesRequest{
		RPCHeader: d.header(), Term: d.uint(), Leader: d.bytes(), PrevLogEntry: d.uint(), PrevLogTerm: d.uint(), //nolint:staticcheck // the engine still sends it
		LeaderCommitIndex: d.uint(),
	}
	r.Entries = d.entries()
	return r
}

func (d *decoder) entries() []*raft.Log {
	const smallest = 7 // bytes: one for each field of an entry, and one more for its time
	n := d.uint()
	switch {
	case n == 0:
		return nil
	case n > maxEntries:
		d.fail("%d entries, at most %d are allowed", n, maxEntries)
		return nil
	case n > uint64(len(d.rest)/smallest):
		d.fail("%d entries in %d bytes", n, len(d.rest))
		return nil
	}
	logs := make([]raft.Log, n)
	entries := make([]*raft.Log, n)
	for i := range logs {
		logs[i] = raft.Log{
			Index: d.uint(), Term: d.uint(), Type: raft.LogType(d.byte()), AppendedAt: d.time(), Data: d.bytes(), Extensions: d.bytes(),
		}
		switch logs[i].Type {
		case raft.LogCommand, raft.LogNoop, raft.LogBarrier:
		case raft.LogConfiguration:
			d.checkConfiguration(logs[i].Data)
		default: // the engine panics on most of them, once they are committed and at each start after that
			d.fail("an entry of type %d", logs[i].Type)
		}
		entries[i] = &logs[i]
	}
	return entries
}

func (d *decoder) installSnapshot() *raft.InstallSnapshotRequest {
	r := &raft.InstallSnapshotRequest{
		RPCHeader: d.header(), SnapshotVersion: raft.SnapshotVersion(d.int()), Term: d.uint(), Leader: d.bytes(),
		LastLogIndex: d.uint(), LastLogTerm: d.uint(), Peers: d.bytes(), Configuration: d.bytes(),
		ConfigurationIndex: d.uint(), Size: d.int(),
	}
	if r.Size < 0 {
		d.fail("a snapshot of %d bytes", r.Size)
	}
	if r.SnapshotVersion > 0 {
		d.checkConfiguration(r.Configuration)
	}
	return r
}

// checkConfiguration refuses the cluster's members where the engine could not read them: it would panic.
func (d *decoder) checkConfiguration(b []byte) {
	if d.err != nil {
		return
	}
	defer func() {
		if reason := recover(); reason != nil {
			d.fail("a configuration that cannot be read: %v", reason)
		}
	}()
	raft.DecodeConfiguration(b)
}
