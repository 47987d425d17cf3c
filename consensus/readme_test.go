package consensus_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheCodeOfTheREADMEIsThatOfTheExample(t *testing.T) {
	compiled, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(text, -1)
	require.Len(t, blocks, 2)
	for _, block := range blocks {
		assert.Contains(t, string(compiled), strings.TrimRight(string(block[1]), "\n"))
	}
}
