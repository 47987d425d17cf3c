package consensus

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// engineLogger hands what the engine logs to slog. Its warnings about peers that do not answer come once per attempt
// and are therefore a level lower here; the node reports the same things itself, once per change.
func engineLogger(logger *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Off, DisableTime: true})
	l.RegisterSink(&slogSink{logger: logger})
	return l
}

type slogSink struct{ logger *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s *slogSink) Accept(name string, level hclog.Level, message string, arguments ...any) {
	l := slogLevel(level)
	if !s.logger.Enabled(context.Background(), l) {
		return
	}
	s.logger.Log(context.Background(), l, name+": "+message, arguments...) //nolint:sloglint // the engine's words
}

func slogLevel(level hclog.Level) slog.Level {
	switch level {
	case hclog.Error:
		return slog.LevelWarn
	case hclog.Warn:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
