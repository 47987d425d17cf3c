// Package wire is how the transports write the Raft engine's messages.
//
// A message is its kind in one byte and then its fields in the order of the engine's structs: whole numbers as
// varints, byte slices with their length plus one before them (0 is nil), entries with their number before them. An
// answer begins with one byte more that says whether it is one, an error's text, or a sign that the peer is still at
// work. There are no names and no optional fields; another version of this encoding needs another greeting.
//
// What a peer sends is untrusted: a decoder allocates no more than what is there asks for, copies what it keeps, and
// refuses everything that the engine would panic on, such as a configuration that it cannot read.
package wire

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// The kinds of messages. The answer to each is of the same kind.
const (
	kindAppendEntries byte = iota + 1
	kindRequestVote
	kindRequestPreVote
	kindTimeoutNow
	kindInstallSnapshot
)

// What an answer is.
const (
	answered byte = iota + 1
	failed
	working
)

// AppendRequest appends a request of the engine, a pointer to one of its five structs, to b.
func AppendRequest(b []byte, request any) ([]byte, error) {
	switch r := request.(type) {
	case *raft.AppendEntriesRequest:
		return appendAppendEntries(append(b, kindAppendEntries), r), nil
	case *raft.RequestVoteRequest:
		b = appendHeader(append(b, kindRequestVote), r.RPCHeader)
		b = binary.AppendUvarint(b, r.Term)
		b = appendBytes(b, r.Candidate) //nolint:staticcheck // the engine still sends it
		b = binary.AppendUvarint(b, r.LastLogIndex)
		b = binary.AppendUvarint(b, r.LastLogTerm)
		return appendBool(b, r.LeadershipTransfer), nil
	case *raft.RequestPreVoteRequest:
		b = appendHeader(append(b, kindRequestPreVote), r.RPCHeader)
		b = binary.AppendUvarint(b, r.Term)
		b = binary.AppendUvarint(b, r.LastLogIndex)
		return binary.AppendUvarint(b, r.LastLogTerm), nil
	case *raft.TimeoutNowRequest:
		return appendHeader(append(b, kindTimeoutNow), r.RPCHeader), nil
	case *raft.InstallSnapshotRequest:
		return appendInstallSnapshot(append(b, kindInstallSnapshot), r), nil
	default:
		return b, fmt.Errorf("no encoding for a request of type %T", request)
	}
}

// AppendResponse appends the engine's answer to a request: a pointer to one of its five response structs, or an error.
func AppendResponse(b []byte, response any, err error) ([]byte, error) {
	if err != nil {
		return append(append(b, failed), err.Error()...), nil
	}
	b = append(b, answered)
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		b = appendHeader(append(b, kindAppendEntries), r.RPCHeader)
		b = binary.AppendUvarint(b, r.Term)
		b = binary.AppendUvarint(b, r.LastLog)
		b = appendBool(b, r.Success)
		return appendBool(b, r.NoRetryBackoff), nil
	case *raft.RequestVoteResponse:
		b = appendHeader(append(b, kindRequestVote), r.RPCHeader)
		b = binary.AppendUvarint(b, r.Term)
		b = appendBytes(b, r.Peers)
		return appendBool(b, r.Granted), nil
	case *raft.RequestPreVoteResponse:
		b = appendHeader(append(b, kindRequestPreVote), r.RPCHeader)
		b = binary.AppendUvarint(b, r.Term)
		return appendBool(b, r.Granted), nil
	case *raft.TimeoutNowResponse:
		return appendHeader(append(b, kindTimeoutNow), r.RPCHeader), nil
	case *raft.InstallSnapshotResponse:
		b = appendHeader(append(b, kindInstallSnapshot), r.RPCHeader)
		b = binary.AppendUvarint(b, r.Term)
		return appendBool(b, r.Success), nil
	default:
		return b, fmt.Errorf("no encoding for a response of type %T", response)
	}
}

// AppendWorking appends the sign that a request is still being worked on.
func AppendWorking(b []byte) []byte { return append(b, working) }

func appendAppendEntries(b []byte, r *raft.AppendEntriesRequest) []byte {
	b = appendHeader(b, r.RPCHeader)
	b = binary.AppendUvarint(b, r.Term)
	b = appendBytes(b, r.Leader) //nolint:staticcheck // the engine still sends it
	b = binary.AppendUvarint(b, r.PrevLogEntry)
	b = binary.AppendUvarint(b, r.PrevLogTerm)
	b = binary.AppendUvarint(b, r.LeaderCommitIndex)
	b = binary.AppendUvarint(b, uint64(len(r.Entries)))
	for _, entry := range r.Entries {
		b = binary.AppendUvarint(b, entry.Index)
		b = binary.AppendUvarint(b, entry.Term)
		b = append(b, byte(entry.Type))
		b = appendTime(b, entry.AppendedAt)
		b = appendBytes(b, entry.Data)
		b = appendBytes(b, entry.Extensions)
	}
	return b
}

func appendInstallSnapshot(b []byte, r *raft.InstallSnapshotRequest) []byte {
	b = appendHeader(b, r.RPCHeader)
	b = binary.AppendVarint(b, int64(r.SnapshotVersion))
	b = binary.AppendUvarint(b, r.Term)
	b = appendBytes(b, r.Leader)
	b = binary.AppendUvarint(b, r.LastLogIndex)
	b = binary.AppendUvarint(b, r.LastLogTerm)
	b = appendBytes(b, r.Peers)
	b = appendBytes(b, r.Configuration)
	b = binary.AppendUvarint(b, r.ConfigurationIndex)
	return binary.AppendVarint(b, r.Size)
}

func appendHeader(b []byte, h raft.RPCHeader) []byte {
	b = binary.AppendVarint(b, int64(h.ProtocolVersion))
	b = appendBytes(b, h.ID)
	return appendBytes(b, h.Addr)
}

func appendBytes(b, value []byte) []byte {
	if value == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(value))+1)
	return append(b, value...)
}

func appendBool(b []byte, value bool) []byte {
	if value {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// Size returns an upper bound of the bytes that a request is written with.
func Size(request any) int {
	const fields = 128 // all numbers and lengths of a message, or of an entry
	switch r := request.(type) {
	case *raft.AppendEntriesRequest:
		size := fields + len(r.ID) + len(r.Addr) + len(r.Leader) //nolint:staticcheck // the engine still sends it
		for _, entry := range r.Entries {
			size += fields + len(entry.Data) + len(entry.Extensions)
		}
		return size
	case *raft.InstallSnapshotRequest:
		return fields + len(r.ID) + len(r.Addr) + len(r.Leader) + len(r.Peers) + len(r.Configuration)
	case *raft.RequestVoteRequest:
		return fields + len(r.ID) + len(r.Addr) + len(r.Candidate) //nolint:staticcheck // the engine still sends it
	case raft.WithRPCHeader:
		header := r.GetRPCHeader()
		return fields + len(header.ID) + len(header.Addr)
	default:
		return 0
	}
}
