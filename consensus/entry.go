package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kinds of entries.
const (
	kindCommand byte = 1 // for the state machine
	kindAPI     byte = 2 // the leader says where its API is
)

const longestType = 255

// entry is what a command is in the log: the kind, the term it is bound to as a varint, the length of the name in one
// byte, the name and the data.
type entry struct {
	kind byte
	term uint64
	name string // the command's type, or the node's ID
	data []byte
}

func (e entry) encode() []byte {
	encoded := make([]byte, 0, 1+binary.MaxVarintLen64+1+len(e.name)+len(e.data))
	encoded = append(encoded, e.kind)
	encoded = binary.AppendUvarint(encoded, e.term)
	encoded = append(encoded, byte(len(e.name)))
	encoded = append(encoded, e.name...)
	return append(encoded, e.data...)
}

// decodeEntry does not copy: the data is part of what it is given, and the name is the likely one if it is the same.
func decodeEntry(encoded []byte, likely string) (entry, error) {
	if len(encoded) == 0 {
		return entry{}, errors.New("it is empty")
	}
	e := entry{kind: encoded[0]}
	if e.kind != kindCommand && e.kind != kindAPI {
		return entry{}, fmt.Errorf("kind %d is not known; it was written by a newer version", e.kind)
	}
	rest := encoded[1:]
	term, n := binary.Uvarint(rest)
	if n <= 0 {
		return entry{}, errors.New("its term is malformed")
	}
	e.term, rest = term, rest[n:]
	if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
		return entry{}, errors.New("its type is cut off")
	}
	e.name, e.data = likely, rest[1+int(rest[0]):]
	if name := rest[1 : 1+int(rest[0])]; string(name) != likely {
		e.name = string(name)
	}
	return e, nil
}
