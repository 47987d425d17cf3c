package raftstore

import (
	"log/slog"

	"github.com/hashicorp/go-hclog"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/enginelog"
)

// engineLogger is for the engine's own code for snapshots. What it calls information is for those who look for a fault.
func engineLogger(logger *slog.Logger) hclog.Logger {
	return enginelog.New(logger, "snapshot: ", func(level hclog.Level) slog.Level {
		switch level {
		case hclog.Error:
			return slog.LevelError
		case hclog.Warn:
			return slog.LevelWarn
		default:
			return slog.LevelDebug
		}
	})
}
