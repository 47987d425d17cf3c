package raftstore

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// engineLogger returns a logger for the engine's own code that writes to slog.
func engineLogger(logger *slog.Logger) hclog.Logger {
	intercept := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "snapshot", Output: io.Discard, Level: hclog.Debug})
	intercept.RegisterSink(slogSink{logger})
	return intercept
}

type slogSink struct{ logger *slog.Logger }

// Accept writes one message. What the engine calls information is for those who look for a fault.
func (s slogSink) Accept(_ string, level hclog.Level, message string, arguments ...any) {
	levels := map[hclog.Level]slog.Level{hclog.Warn: slog.LevelWarn, hclog.Error: slog.LevelError}
	as, ok := levels[level]
	if !ok {
		as = slog.LevelDebug
	}
	s.logger.Log(context.Background(), as, message, arguments...) //nolint:sloglint // the engine's message
}
