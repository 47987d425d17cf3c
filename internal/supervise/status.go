package supervise

import (
	"fmt"
	"syscall"
)

// Exit statuses of a command that never ran, as shells and env(1) give them.
const (
	CodeCannotRun = 126
	CodeNotFound  = 127
)

// Status is how a command ended.
type Status struct {
	// Code is its exit status, if it ended by itself.
	Code int
	// Signal is the signal that ended it, or 0.
	Signal syscall.Signal
	// Expired is whether its guard ended it because the deadline had passed.
	Expired bool
	// Err says why it could not be started; Code is CodeCannotRun or CodeNotFound then.
	Err error
}

// ExitCode is the status as shells report it: 128 and the number of the signal, if it was one.
func (s Status) ExitCode() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

func (s Status) String() string {
	switch {
	case s.Err != nil:
		return s.Err.Error()
	case s.Expired:
		return "killed at the deadline"
	case s.Signal != 0:
		return fmt.Sprintf("signal %d (%v)", int(s.Signal), s.Signal)
	}
	return fmt.Sprintf("exit status %d", s.Code)
}
