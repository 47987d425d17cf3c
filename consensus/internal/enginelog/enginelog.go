// Package enginelog hands what the Raft engine logs to slog.
package enginelog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// repeated is how long an error or a warning about the same thing, most often a peer that is down, is not told again.
const repeated = 10 * time.Second

// New returns a logger for the engine. Its messages get a prefix, and what it calls errors and warnings the given levels.
// Everything else, and what it repeats, is for those who look for a fault.
func New(logger *slog.Logger, prefix string, errorsAs, warningsAs slog.Level) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(&sink{logger, prefix, map[hclog.Level]slog.Level{hclog.Error: errorsAs, hclog.Warn: warningsAs}, sync.Mutex{}, map[string]time.Time{}})
	return l
}

type sink struct {
	logger *slog.Logger
	prefix string
	levels map[hclog.Level]slog.Level

	mu   sync.Mutex
	told map[string]time.Time // when which message about what was told last
}

// Accept implements hclog.SinkAdapter.
func (s *sink) Accept(_ string, level hclog.Level, message string, pairs ...any) {
	ctx := context.Background()
	as, ok := s.levels[level]
	if !ok || s.repeats(message, pairs) {
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

// repeats says whether the same was told a moment ago: a message with the same first attribute, which is whom it is about.
func (s *sink) repeats(message string, pairs []any) bool {
	about := message
	if len(pairs) > 1 {
		about += fmt.Sprint(" ", pairs[1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if last, ok := s.told[about]; ok && now.Sub(last) < repeated {
		return true
	}
	maps.DeleteFunc(s.told, func(_ string, last time.Time) bool { return now.Sub(last) >= repeated })
	s.told[about] = now
	return false
}

// readable turns a value that is a format and its arguments into text.
func readable(value any) any {
	if f, ok := value.(hclog.Format); ok && len(f) > 0 {
		return fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
	}
	return value
}
