package directory

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

func entry(id, address string, port int) Entry {
	return Entry{Name: "entry of " + id, Node: discovery.Node{ID: id, Address: address, Port: port}}
}

func TestSameIDTwiceKeepsTheSameEntryInWhateverOrder(t *testing.T) {
	a, b, c := entry("n1", "a", 1), entry("n1", "b", 1), entry("n1", "a", 2)
	for _, entries := range [][]Entry{{a, b, c}, {c, b, a}, {b, a, c}} {
		nodes, problems, err := clean(entries)
		require.NoError(t, err)
		assert.Equal(t, []discovery.Node{a.Node}, nodes)
		assert.Len(t, problems, 2)
	}
}

func TestSameEntryTwiceIsNoProblem(t *testing.T) {
	nodes, problems, err := clean([]Entry{entry("n1", "a", 1), entry("n1", "a", 1)})
	require.NoError(t, err)
	assert.Len(t, nodes, 1)
	assert.Empty(t, problems)
}

func TestBrokenEntryDoesNotHideASoundOneOfTheSameID(t *testing.T) {
	broken, portless := Entry{Name: "broken", Err: errors.New("torn")}, entry("n1", "a", 0)
	nodes, problems, err := clean([]Entry{portless, broken, entry("n1", "z", 1)})
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{entry("n1", "z", 1).Node}, nodes)
	assert.Len(t, problems, 2)
}

func TestListsUpToTheLimitAreRead(t *testing.T) {
	_, _, err := clean(make([]Entry, Limit))
	require.NoError(t, err)
	_, _, err = clean(make([]Entry, Limit+1))
	require.ErrorContains(t, err, "256")
}

func TestProblemsAreLoggedOnceForAsLongAsTheyLast(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	var c complaints
	logged := func(problems ...string) int {
		log.Reset()
		c.log(logger, "the list", problems)
		return strings.Count(log.String(), "\n")
	}
	assert.Equal(t, 2, logged("a", "b"))
	assert.Equal(t, 0, logged("a", "b"))
	assert.Equal(t, 1, logged("a", "c"))
	assert.Equal(t, 0, logged())
	assert.Equal(t, 1, logged("a"))
}
