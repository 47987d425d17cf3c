package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// broken catches what the engine does when it cannot go on, such as when the disk is full: it panics, or calls the fatal
// function of its logger, which must not return. Ending the process is not a library's to do, so the goroutine is ended
// instead, and whoever waits for the engine is told.
type broken struct {
	once sync.Once
	why  error
	told chan struct{} // closed once why is set
}

func newBroken() *broken { return &broken{told: make(chan struct{})} }

func (b *broken) tell(err error) {
	b.once.Do(func() {
		b.why = err
		close(b.told)
	})
}

// run calls a function of the engine in a goroutine that the engine may end. It returns when the function does or when the
// engine has broken down; the function may then go on waiting for the engine in vain.
func (b *broken) run(f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				b.tell(fmt.Errorf("the engine has panicked: %v", reason))
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-b.told:
		return b.why
	}
}

// closeTime is how long an engine that has broken down is given to close.
const closeTime = 30 * time.Second

// close closes the engine. One that has broken down may not be able to: its files and its lock then stay open until the
// process ends.
func (b *broken) close(f func() error) error {
	select {
	case <-b.told:
	default:
		return f()
	}
	closed := newBroken() // the engine has told already what there is to be told
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = closed.run(f) // what could not be closed properly is no news
	}()
	select {
	case <-done:
		return nil
	case <-time.After(closeTime):
		return errors.Join(errors.New("the engine has broken down and does not close"), b.why)
	}
}

// engineLog is the engine's logger. What it calls information is for those who look for a fault.
type engineLog struct {
	logger *slog.Logger
	broken *broken
}

func (l engineLog) Infof(format string, arguments ...any) {
	l.logger.Debug("pebble", "message", fmt.Sprintf(format, arguments...))
}

func (l engineLog) Errorf(format string, arguments ...any) {
	l.logger.Error("pebble", "message", fmt.Sprintf(format, arguments...))
}

// Fatalf ends the goroutine, after everybody has been told.
func (l engineLog) Fatalf(format string, arguments ...any) {
	err := fmt.Errorf(format, arguments...) //nolint:err113 // the engine's words
	l.logger.Error("pebble has broken down", "error", err)
	l.broken.tell(err)
	runtime.Goexit()
}
