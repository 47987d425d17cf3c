package discoverytest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

func listIsSortedAndComplete(t *testing.T, f fixture) {
	t.Helper()
	d := f.start(t)
	f.Set(t, []discovery.Node{f.Node("n3"), f.Node("n1"), f.Node("n2")})
	listed(t, d, f.nodes("n1", "n2", "n3"))

	f.Set(t, nil)
	if f.EmptyIsUnknown {
		eventually(t, func() bool {
			_, err := d.GetNodes(t.Context())
			return err != nil
		}, func() { t.Error("an empty list is an answer") })
		return
	}
	listed(t, d, f.nodes())
}

func watchSendsChanges(t *testing.T, f fixture) {
	t.Helper()
	if !f.EmptyIsUnknown {
		d := f.start(t)
		lists, err := d.Watch(t.Context())
		require.NoError(t, err)
		received(t, lists, f.nodes())
	}
	f.Set(t, f.nodes("n1", "n2"))
	d := f.start(t)
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	// Directories change one entry after the other: what was there on the way may be seen.
	received(t, lists, f.nodes("n1", "n2"))
	f.Set(t, f.nodes("n1", "n2", "n3"))
	received(t, lists, f.nodes("n1", "n2", "n3"))
	f.Set(t, f.nodes("n1", "n2"))
	received(t, lists, f.nodes("n1", "n2"))
	silent(t, lists)
}

func slowReadersGetTheNewest(t *testing.T, f fixture) {
	t.Helper()
	d := f.start(t)
	slow, err := d.Watch(t.Context())
	require.NoError(t, err)
	quick, err := d.Watch(t.Context())
	require.NoError(t, err)
	if !f.EmptyIsUnknown {
		received(t, quick, f.nodes())
	}
	seen := [][]discovery.Node{f.nodes()}
	for i := 1; i <= 4; i++ {
		var names []string
		for k := range i {
			names = append(names, fmt.Sprint("n", k+1))
		}
		f.Set(t, f.nodes(names...))
		received(t, quick, f.nodes(names...))
		seen = append(seen, f.nodes(names...))
	}
	// One list waits for the slow reader: the last, or the one before if its watch is still behind the other's.
	<-time.After(5 * quiet)
	received(t, slow, seen[4], seen[3])
	silent(t, slow)
}

func listsBelongToReaders(t *testing.T, f fixture) {
	t.Helper()
	f.Set(t, f.nodes("n1", "n2"))
	d := f.start(t)
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	spoilt := <-lists
	for i := range spoilt {
		for key := range spoilt[i].Tags {
			spoilt[i].Tags[key] = "spoilt"
		}
		spoilt[i] = discovery.Node{}
	}
	silent(t, lists)
	listed(t, d, f.nodes("n1", "n2"))
	f.Set(t, f.nodes("n1", "n2", "n3"))
	received(t, lists, f.nodes("n1", "n2", "n3"))
}

func outageSendsNothing(t *testing.T, f fixture) {
	t.Helper()
	if f.Down == nil {
		t.Skip("cannot be down")
	}
	f.Set(t, f.nodes("n1", "n2"))
	d := f.start(t)
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	received(t, lists, f.nodes("n1", "n2"))

	f.Down(t)
	eventually(t, func() bool {
		_, err := d.GetNodes(t.Context())
		return err != nil
	}, func() { t.Error("the directory is down and answers") })
	silent(t, lists)
	f.Up(t)
	received(t, lists, f.nodes("n1", "n2")) // once more: it has been seen again

	f.Down(t)
	eventually(t, func() bool {
		_, err := d.GetNodes(t.Context())
		return err != nil
	}, func() { t.Error("the directory is down and answers") })
	f.Set(t, f.nodes("n2"))
	silent(t, lists)
	f.Up(t)
	received(t, lists, f.nodes("n2"))
	assert.Contains(t, f.log.String(), "list of nodes cannot be read")
	assert.Contains(t, f.log.String(), "list of nodes can be read again")
}

func directoryMayBeAwayAtStart(t *testing.T, f fixture) {
	t.Helper()
	if f.Down == nil {
		t.Skip("cannot be down")
	}
	f.Down(t)
	d := f.start(t)
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	_, err = d.GetNodes(t.Context())
	require.Error(t, err)
	silent(t, lists)
	f.Set(t, f.nodes("n1"))
	f.Up(t)
	received(t, lists, f.nodes("n1"))
}

func malformedEntriesAreSkipped(t *testing.T, f fixture) {
	t.Helper()
	if f.Garble == nil {
		t.Skip("cannot be malformed")
	}
	f.Set(t, f.nodes("n1", "n2"))
	d := f.start(t)
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	received(t, lists, f.nodes("n1", "n2"))
	skipped := f.Garble(t, f.Node("n1"))
	listed(t, d, f.nodes("n1", "n2"))
	f.Set(t, f.nodes("n1", "n2", "n3"))
	received(t, lists, f.nodes("n1", "n2", "n3"))
	listed(t, d, f.nodes("n1", "n2", "n3"))
	for _, word := range skipped {
		assert.Contains(t, f.log.String(), word)
	}
}
