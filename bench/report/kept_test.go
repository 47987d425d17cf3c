package report

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDocumentsAreWhatTheKeptResultsSay is why no figure can drift away from its measurement.
func TestDocumentsAreWhatTheKeptResultsSay(t *testing.T) {
	tables, err := ReadAll("../results")
	require.NoError(t, err)
	var said bytes.Buffer
	require.NoError(t, Check("../..", tables, &said))
	assert.Empty(t, said.String(), "no part of a document is left as it was")
}

func TestEveryTableThatThePageShowsIsKept(t *testing.T) {
	tables, err := ReadAll("../results")
	require.NoError(t, err)
	shown := regexp.MustCompile(`\{\{if has "([a-z]+)"\}\}`).FindAllStringSubmatch(performanceText, -1)
	require.NotEmpty(t, shown)
	for _, match := range shown {
		assert.Contains(t, tables, match[1], "measure it: its section is missing")
	}
}
