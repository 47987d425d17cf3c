package report

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocumentsAreWhatTheKeptResultsSay is why no figure can drift away from its measurement.
func TestDocumentsAreWhatTheKeptResultsSay(t *testing.T) {
	tables, err := ReadAll("../results")
	require.NoError(t, err)
	require.NoError(t, Check("../..", tables, io.Discard))
}
