package consensus

import (
	"log/slog"

	"github.com/hashicorp/go-hclog"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/enginelog"
)

// engineLogger hands what the engine logs to slog. Its warnings about peers that do not answer come once per attempt
// and are therefore a level lower here; the node reports the same things itself, once per change.
func engineLogger(logger *slog.Logger) hclog.Logger {
	return enginelog.New(logger, "raft: ", slog.LevelWarn, slog.LevelInfo)
}
