package badger

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// closeTime is how long the engine is given to close after a write has failed. It tries to write its tables for ever.
const closeTime = 30 * time.Second

func (s *Storage) closeEngine() error {
	if !s.guard.Failed() {
		return s.db.Close()
	}
	done := make(chan error, 1)
	go func() { done <- s.db.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(closeTime):
		return errors.New("the engine has failed and does not close: its files and its lock stay open until the process ends")
	}
}

// engineLog is the engine's logger. What it calls information is for those who look for a fault.
type engineLog struct{ logger *slog.Logger }

func (l engineLog) write(level func(string, ...any), format string, arguments []any) {
	level("badger", "message", strings.TrimSpace(fmt.Sprintf(format, arguments...)))
}

func (l engineLog) Errorf(format string, arguments ...any) {
	l.write(l.logger.Error, format, arguments)
}

func (l engineLog) Warningf(format string, arguments ...any) {
	l.write(l.logger.Warn, format, arguments)
}

func (l engineLog) Infof(format string, arguments ...any) { l.write(l.logger.Debug, format, arguments) }

// Debugf says nothing: the engine calls it for every write.
func (l engineLog) Debugf(string, ...any) {}
