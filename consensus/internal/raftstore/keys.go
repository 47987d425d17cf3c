package raftstore

import (
	"encoding/binary"
	"fmt"
)

// The key spaces. The log is behind all others, so that appending to it is appending to everything.
const (
	spaceChunks       = 'c'
	spaceDescriptions = 'd'
	spaceIdentity     = 'i'
	spaceStable       = 'k'
	spaceLog          = 'l'
)

const logKeySize = 1 + 8

func appendLogKey(b []byte, index uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, spaceLog), index)
}

func logKey(index uint64) []byte {
	return appendLogKey(make([]byte, 0, logKeySize), index)
}

func indexOfLogKey(key []byte) (uint64, error) {
	if len(key) != logKeySize {
		return 0, &CorruptError{What: fmt.Sprintf("log key %x", key), Err: fmt.Errorf("it has %d bytes instead of %d", len(key), logKeySize)}
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// The range of the log's keys.
var (
	logStart = []byte{spaceLog}
	logEnd   = []byte{spaceLog + 1}
)
