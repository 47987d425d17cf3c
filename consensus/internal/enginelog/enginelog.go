// Package enginelog hands what the Raft engine logs to slog.
package enginelog

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// New returns a logger for the engine. Its messages get a prefix, and what it calls errors and warnings the given levels.
// Everything else is for those who look for a fault.
func New(logger *slog.Logger, prefix string, errorsAs, warningsAs slog.Level) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(&sink{logger, prefix, map[hclog.Level]slog.Level{hclog.Error: errorsAs, hclog.Warn: warningsAs}})
	return l
}

type sink struct {
	logger *slog.Logger
	prefix string
	levels map[hclog.Level]slog.Level
}

// Accept implements hclog.SinkAdapter.
func (s *sink) Accept(_ string, level hclog.Level, message string, pairs ...any) {
	ctx := context.Background()
	as, ok := s.levels[level]
	if !ok {
		as = slog.LevelDebug
	}
	if !s.logger.Enabled(ctx, as) {
		return
	}
	var attributes []slog.Attr
	for i := 0; i+1 < len(pairs); i += 2 {
		attributes = append(attributes, slog.Any(fmt.Sprint(pairs[i]), readable(pairs[i+1])))
	}
	s.logger.LogAttrs(ctx, as, s.prefix+message, attributes...) //nolint:sloglint // the engine's words
}

// readable turns a value that is a format and its arguments into text.
func readable(value any) any {
	if f, ok := value.(hclog.Format); ok && len(f) > 0 {
		return fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
	}
	return value
}
