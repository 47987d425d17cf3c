package enginelog_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

func TestWhatIsRepeatedIsToldOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := enginelog.New(slog.New(slog.NewTextHandler(&out, nil)), "raft: ", slog.LevelWarn, slog.LevelInfo)
		told := func() int { return strings.Count(out.String(), "failed to heartbeat") }
		for range 100 {
			l.Error("failed to heartbeat to", "peer", "n2", "backoff", rand.Int())
			time.Sleep(50 * time.Millisecond)
		}
		require.Equal(t, 1, told())
		l.Error("failed to heartbeat to", "peer", "n3")
		require.Equal(t, 2, told(), "another peer is another thing")
		time.Sleep(5 * time.Second)
		l.Error("failed to heartbeat to", "peer", "n2")
		require.Equal(t, 3, told())
	})
}
