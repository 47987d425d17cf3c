package raftstore

import "sync"

// Buffers larger than this are left to the garbage collector, so that one large batch does not hold memory for good.
const largestKept = 1 << 20

var buffers = sync.Pool{New: func() any { return new(encoding) }}

func takeBuffer() *encoding {
	buffer, ok := buffers.Get().(*encoding)
	if !ok {
		return new(encoding)
	}
	return buffer
}

func (e *encoding) giveBack() {
	if cap(e.bytes) <= largestKept && cap(e.operations) <= pageSize {
		clear(e.operations)
		buffers.Put(e)
	}
}
