package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/hashicorp/raft"
)

// An entry is stored as
//
//	checksum    4 bytes  CRC-32C of everything behind it
//	format      1 byte
//	type        1 byte
//	index       8 bytes  the same as in the key: an entry under another one's key is noticed
//	term        8 bytes
//	appendedAt  8 bytes  nanoseconds since 1970, or noTime
//	length      4 bytes  of the data
//	data
//	extensions           the rest
//
// with all numbers big end first.
const (
	entryFormat = 1
	headerSize  = 4 + 1 + 1 + 8 + 8 + 8 + 4
	noTime      = math.MinInt64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func entrySize(log *raft.Log) int {
	return headerSize + len(log.Data) + len(log.Extensions)
}

func appendEntry(b []byte, log *raft.Log) []byte {
	appendedAt := int64(noTime)
	if !log.AppendedAt.IsZero() {
		appendedAt = log.AppendedAt.UnixNano()
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0, entryFormat, byte(log.Type))
	b = binary.BigEndian.AppendUint64(b, log.Index)
	b = binary.BigEndian.AppendUint64(b, log.Term)
	b = binary.BigEndian.AppendUint64(b, uint64(appendedAt))
	b = binary.BigEndian.AppendUint32(b, uint32(len(log.Data)))
	b = append(b, log.Data...)
	b = append(b, log.Extensions...)
	binary.BigEndian.PutUint32(b[start:], crc32.Checksum(b[start+4:], castagnoli))
	return b
}

// decodeEntry makes log refer to b, which is not used for anything else.
func decodeEntry(b []byte, index uint64, log *raft.Log) error {
	if len(b) < headerSize {
		return fmt.Errorf("it has %d bytes, fewer than a header", len(b))
	}
	if binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return errChecksum
	}
	if b[4] != entryFormat {
		return fmt.Errorf("its format %d is not known: a newer version has written it", b[4])
	}
	if stored := binary.BigEndian.Uint64(b[6:]); stored != index {
		return fmt.Errorf("it is entry %d in another one's place", stored)
	}
	length := int(binary.BigEndian.Uint32(b[30:]))
	if length > len(b)-headerSize {
		return errors.New("its data are cut off")
	}
	*log = raft.Log{
		Index: index,
		Term:  binary.BigEndian.Uint64(b[14:]),
		Type:  raft.LogType(b[5]),
	}
	if length > 0 {
		log.Data = b[headerSize : headerSize+length : headerSize+length]
	}
	if rest := b[headerSize+length:]; len(rest) > 0 {
		log.Extensions = rest
	}
	if appendedAt := int64(binary.BigEndian.Uint64(b[22:])); appendedAt != noTime {
		log.AppendedAt = time.Unix(0, appendedAt)
	}
	return nil
}

// seal puts the checksum of key and value in front of a value.
func seal(key, value []byte) []byte {
	sealed := make([]byte, sealSize, sealSize+len(value))
	sealed = append(sealed, value...)
	putSeal(key, sealed)
	return sealed
}

const sealSize = 4

// putSeal writes the checksum into the first bytes of sealed, which are left free for it.
func putSeal(key, sealed []byte) {
	binary.BigEndian.PutUint32(sealed, sealOf(key, sealed[sealSize:]))
}

// unseal returns the value. It refers to sealed.
func unseal(what string, key, sealed []byte) ([]byte, error) {
	if len(sealed) < sealSize || binary.BigEndian.Uint32(sealed) != sealOf(key, sealed[sealSize:]) {
		return nil, &CorruptError{What: what, Err: errChecksum}
	}
	return sealed[sealSize:], nil
}

func sealOf(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}
