package tcp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	lengthSize   = 4 // bytes in front of each message
	readBuffer   = 64 << 10
	firstRead    = 64 << 10 // of a message; what follows has to be there before more is made room for
	keptCapacity = 1 << 20  // of the buffers that a connection keeps for its next message
)

// conn is a connection after both ends have said who they are. One goroutine writes, one reads.
type conn struct {
	net.Conn          // with TLS, if there is any
	raw      net.Conn // without
	peer     string   // the node's ID
	reader   *bufio.Reader
	limit    int // of a message
	in, out  []byte
	used     time.Time // when it was put into the pool
	release  func()
}

// Close ends the connection without the goodbye of TLS, which would wait for a peer that has stopped reading.
func (c *conn) Close() error {
	c.release()
	return c.raw.Close()
}

// begin returns the buffer to append a message to.
func (c *conn) begin() []byte { return append(c.out[:0], make([]byte, lengthSize)...) }

// write sends the message that was appended to begin's buffer.
func (c *conn) write(b []byte) error {
	if cap(b) <= keptCapacity {
		c.out = b
	}
	size := len(b) - lengthSize
	if size > c.limit {
		return &tooLargeError{size: size, limit: c.limit}
	}
	binary.BigEndian.PutUint32(b, uint32(size))
	_, err := c.Write(b)
	return err
}

// readSize reads how long the next message is, and refuses it where that is too much.
func (c *conn) readSize() (int, error) {
	head, err := c.reader.Peek(lengthSize)
	if err != nil {
		if len(head) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	size := binary.BigEndian.Uint32(head)
	if uint64(size) > uint64(c.limit) {
		return 0, &tooLargeError{size: int(size), limit: c.limit}
	}
	_, err = c.reader.Discard(lengthSize)
	return int(size), err
}

// readBody reads a message of that size, which is valid until the next one is read. There is never more room made for it than
// twice of what has arrived.
func (c *conn) readBody(size int) ([]byte, error) {
	b := c.in[:0]
	for len(b) < size {
		have := len(b)
		next := min(size, max(firstRead, 2*have, cap(b)))
		if next > cap(b) {
			b = append(make([]byte, 0, next), b...)
		}
		b = b[:next]
		if _, err := io.ReadFull(c.reader, b[have:]); err != nil {
			return nil, unexpected(err)
		}
	}
	if cap(b) <= keptCapacity {
		c.in = b
	}
	return b, nil
}

func (c *conn) read() ([]byte, error) {
	size, err := c.readSize()
	if err != nil {
		return nil, err
	}
	return c.readBody(size)
}

// unexpected says that the end of a connection within a message is one.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// tooLargeError says that a message is larger than MaxMessage.
type tooLargeError struct{ size, limit int }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("a message of %d bytes is larger than the %d that are allowed (MaxMessage)", e.size, e.limit)
}
