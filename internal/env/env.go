// Package env is what an elector takes from the machine it runs on: its clocks and its randomness.
// The simulation supplies its own, in which clocks run at wrong rates, step, and stop.
package env

import (
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// Env is one process's clocks and randomness. Its functions are safe for concurrent use.
type Env struct {
	// Now reads the monotonic and the wall clock at one moment.
	Now func() lease.Instant
	// NewTimer returns a timer that is not running. It counts on the monotonic clock.
	NewTimer func() Timer
	// Uint64 returns random bits.
	Uint64 func() uint64
	// PeerTransport carries the questions to other electors; nil for the network.
	PeerTransport http.RoundTripper
}

// Timer is the part of time.Timer that an elector uses. After Reset or Stop nothing of an earlier
// setting is ever received, as with time.Timer since Go 1.23.
type Timer interface {
	C() <-chan time.Time
	Reset(d time.Duration)
	Stop()
}

// System is the real machine. All callers share it.
func System() *Env { return &system }

var system = Env{Now: now, NewTimer: newTimer, Uint64: randomUint64}

// start anchors the monotonic readings of this process.
var start = time.Now()

func now() lease.Instant {
	t := time.Now()
	return lease.Instant{Mono: t.Sub(start), Wall: t.UnixNano()}
}

type systemTimer struct{ *time.Timer }

func newTimer() Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return systemTimer{t}
}

func (t systemTimer) C() <-chan time.Time   { return t.Timer.C }
func (t systemTimer) Reset(d time.Duration) { t.Timer.Reset(d) }
func (t systemTimer) Stop()                 { t.Timer.Stop() }

func randomUint64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return binary.LittleEndian.Uint64(b[:])
}
