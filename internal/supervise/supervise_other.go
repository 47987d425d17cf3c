//go:build !unix

package supervise

import (
	"context"
	"errors"
	"syscall"
)

// GuardMain does nothing here: there are no guards.
func GuardMain() {}

// Run fails: ending a process tree in time rests on process groups, which this system lacks.
func (j *Job) Run(context.Context, <-chan syscall.Signal) (Status, Cause, error) {
	return Status{}, ByItself, errors.New("commands can be supervised on Unix systems only: use the library's Lead in your own program here")
}
