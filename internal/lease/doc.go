// Package lease is the election protocol as a pure state machine: it is told what happened and
// when, and answers with what to do next. It reads no clock, starts no goroutine and does no I/O.
package lease

import "time"

// MaxLease is the longest lease that is given or obeyed.
const MaxLease = time.Hour
