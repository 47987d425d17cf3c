package endpoint

import (
	"io"
	"net"
	"time"
)

// Linger lets a peer that is refused read why before its connection is closed: closing with something unread on this
// side would take what was written back. It lasts a moment at the longest.
func Linger(c net.Conn) {
	const (
		moment = 500 * time.Millisecond
		most   = 64 << 10
	)
	half, ok := c.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(moment)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, most)
}
