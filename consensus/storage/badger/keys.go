package badger

import "encoding/binary"

// The key spaces: values by their keys, and pieces of large values by the number of the value and their own. The first
// piece's key ends with the key of the value.
const (
	spacePieces = 'p'
	spaceValues = 'v'
)

const pieceKeySize = 1 + 8 + 4

func valueKey(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), spaceValues), key...)
}

func pieceKey(value uint64, piece uint32, owner []byte) []byte {
	key := make([]byte, 0, pieceKeySize+len(owner))
	key = append(key, spacePieces)
	key = binary.BigEndian.AppendUint64(key, value)
	key = binary.BigEndian.AppendUint32(key, piece)
	if piece == 0 {
		key = append(key, owner...)
	}
	return key
}
