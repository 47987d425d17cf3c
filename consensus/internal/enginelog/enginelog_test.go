package enginelog_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/enginelog"
)

func TestMessagesKeepTheirAttributesAndGetTheLevelTheyAreGiven(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))
	l := enginelog.New(logger, "raft: ", slog.LevelWarn, slog.LevelDebug)
	l.Error("failed to receive", "received", hclog.Fmt("%d / %d", 3, 7), "id", "n1", "odd")
	l.Warn("unimportant")
	l.Info("unimportant")
	require.Contains(t, out.String(), `level=WARN msg="raft: failed to receive" received="3 / 7" id=n1`)
	require.NotContains(t, out.String(), "unimportant")
}
