package election

import (
	"log/slog"

	"github.com/hashicorp/go-hclog"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/enginelog"
)

// engineLogger hands the engine's messages to a logger, all at debug level: what is of interest to others is said by the election
// itself, and once; the engine repeats itself for as long as a peer is away.
func engineLogger(logger *slog.Logger) hclog.Logger {
	return enginelog.New(logger, "engine: ", slog.LevelDebug, slog.LevelDebug)
}
