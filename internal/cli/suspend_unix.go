//go:build unix

package cli

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// holdSuspension keeps Ctrl-Z from stopping a supervisor: the command, in a group of its own, would
// go on, until its guard kills it.
func holdSuspension(log *slog.Logger) {
	requests := make(chan os.Signal, 1)
	signal.Notify(requests, syscall.SIGTSTP)
	go func() { // for the life of the process
		for range requests {
			log.Warn("a leader cannot be suspended; end it with TERM or INT")
		}
	}()
}
