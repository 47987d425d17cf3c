package cli

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func TestProbePassesASafeStorage(t *testing.T) {
	t.Parallel()
	code, out, says := newTerminal(t).on(memory.New()).run("probe", "--store", "s3://bucket")
	assert.Equal(t, exitOK, code, says)
	assert.Contains(t, out, "pass  ")
	assert.NotContains(t, out, "FAIL")
	assert.Regexp(t, `requests\s+p50\s+p99\nread +\d+ .*\nwrite +\d+ .*\n\nSafe for leader election\.\nRecommended: --lease 3s --frequent 1s`, out)
}

func TestProbeInJSON(t *testing.T) {
	t.Parallel()
	code, out, says := newTerminal(t).on(memory.New()).run("probe", "--store", "s3://bucket", "--json")
	assert.Equal(t, exitOK, code, says)
	var report s3lect.StorageReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.True(t, report.Safe)
}

// heedless writes whatever the condition says.
type heedless struct{ s3lect.Storage }

func (h heedless) PutIfMatch(ctx context.Context, key string, data []byte, _ string) error {
	_, etag, err := h.Get(ctx, key)
	if err != nil && !errors.Is(err, s3lect.ErrStorageNotFound) {
		return err
	}
	return h.Storage.PutIfMatch(ctx, key, data, etag)
}

func TestProbeRefusesAStorageThatIgnoresConditions(t *testing.T) {
	t.Parallel()
	code, out, says := newTerminal(t).on(heedless{memory.New()}).run("probe", "--store", "s3://bucket")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, out, "FAIL  ")
	assert.Contains(t, out, "NOT SAFE for leader election")
	assert.Empty(t, says)
}

func TestProbeThatCannotBeCarriedOutIsNoVerdict(t *testing.T) {
	t.Parallel()
	code, _, says := newTerminal(t).on(failing{errors.New("no permission")}).run("probe", "--store", "s3://bucket")
	assert.Equal(t, exitNotProbed, code)
	assert.Contains(t, says, "no permission")

	code, _, says = newTerminal(t).run("probe", "--store", "ftp://x")
	assert.Equal(t, exitNotProbed, code)
	assert.Contains(t, says, "unknown scheme")

	code, _, says = newTerminal(t).run("probe")
	assert.Equal(t, exitNotProbed, code)
	assert.Contains(t, says, "--store is required")
}
