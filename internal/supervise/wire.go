//go:build unix

package supervise

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// The guard finds its two pipes at these descriptors.
const (
	controlFD = 3
	reportFD  = 4
)

// report is what a guard tells its supervisor, one JSON value each: that the command has started,
// or how it ended.
type report struct {
	Started bool   `json:"started,omitempty"`
	Code    int    `json:"code,omitempty"`
	Signal  int    `json:"signal,omitempty"`
	Expired bool   `json:"expired,omitempty"`
	Error   string `json:"error,omitempty"`
}

// clock is the reading of the machine's monotonic clock, which both sides share. A deadline is
// sent as a moment on it, not as a duration, which would start anew wherever it is read late.
func clock() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, fmt.Errorf("read the monotonic clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// writeDeadline sends a deadline in a single write, which is far below what a pipe takes as a
// whole or not at all.
func writeDeadline(w io.Writer, at time.Time) error {
	left := max(0, time.Until(at))
	now, err := clock()
	if err != nil {
		return err
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(now+left))
	_, err = w.Write(b[:])
	return err
}

// readDeadline returns the time left until the next deadline in the pipe.
func readDeadline(r io.Reader) (time.Duration, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, err
	}
	now, err := clock()
	if err != nil {
		return 0, err
	}
	return time.Duration(binary.LittleEndian.Uint64(b[:])) - now, nil
}
