package election

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// engineLogger hands the engine's messages to a logger, all at debug level: what is of interest to others is said by the election
// itself, and once; the engine repeats itself for as long as a peer is away.
func engineLogger(logger *slog.Logger) hclog.Logger {
	intercept := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Trace})
	intercept.RegisterSink(engineSink{logger})
	return intercept
}

type engineSink struct{ logger *slog.Logger }

// Accept is called with each message.
func (s engineSink) Accept(_ string, level hclog.Level, message string, pairs ...any) {
	ctx := context.Background()
	if !s.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attributes := []slog.Attr{slog.String("message", message), slog.String("engineLevel", level.String())}
	for i := 0; i+1 < len(pairs); i += 2 {
		attributes = append(attributes, slog.String(fmt.Sprint(pairs[i]), readable(pairs[i+1])))
	}
	s.logger.LogAttrs(ctx, slog.LevelDebug, "engine", attributes...)
}

func readable(value any) string {
	if f, ok := value.(hclog.Format); ok && len(f) > 0 {
		return fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
	}
	return fmt.Sprint(value)
}
