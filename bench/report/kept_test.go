package report

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDocumentsAreWhatTheKeptResultsSay is why no figure can drift away from its measurement.
func TestDocumentsAreWhatTheKeptResultsSay(t *testing.T) {
	tables, err := ReadAll("../results")
	require.NoError(t, err)
	for name, table := range tables {
		assert.False(t, table.Quick, "%s has too few runs to be published", name)
	}
	require.NoError(t, Check("../..", tables))
}
