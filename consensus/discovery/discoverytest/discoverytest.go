// Package discoverytest is the conformance suite of discoveries: what [discovery.Discovery] promises, as tests that every
// implementation runs against the real thing it reads the list from.
package discoverytest

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

// Directory is where the list is kept, empty at first, and how a test reaches it behind the back of the discovery.
type Directory struct {
	// New returns a discovery that is not started, logging to logger. What it registers would be listed for at least a
	// minute if the process ended, so that its withdrawal can be told from that.
	New func(t *testing.T, logger *slog.Logger) discovery.Discovery
	// Set makes these nodes the list, and has no effect on entries that Garble has made.
	Set func(t *testing.T, nodes []discovery.Node)
	// Node returns a node such as the directory can list; all of them if it is nil.
	Node func(name string) discovery.Node
	// Garble adds entries that make no sense: one of everything that can be wrong, and a second entry of the node given. It
	// returns a word that the log has to contain for each entry that is skipped. Nil if there can be none.
	Garble func(t *testing.T, twice discovery.Node) []string
	// Down makes the directory fail until Up is called. Nil if it cannot.
	Down, Up func(t *testing.T)
	// Registers says whether Register and Unregister change the list.
	Registers bool
	// EmptyIsUnknown says that an empty list is taken for a failure.
	EmptyIsUnknown bool
}

// patience is how long something may take that has to happen, and quiet how long is waited for what must not.
const (
	patience = 30 * time.Second
	quiet    = 400 * time.Millisecond
)

// Run runs the suite. Each test opens a directory of its own, and they run in parallel, because they mostly wait. The test that
// calls Run must not be parallel itself: goroutines of other tests would be taken for ones left behind.
func Run(t *testing.T, open func(t *testing.T) Directory) {
	t.Helper()
	// Looked at when all tests are through and their directories are gone too.
	before := goroutines()
	t.Cleanup(func() { leftBehind(t, before) })
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f fixture)
	}{
		{"EveryMethodFailsBeforeStartAndAfterStop", failsWhenNotRunning},
		{"StartTwiceIsRefusedAndStopTwiceIsNot", startsOnce},
		{"StartedAgainAfterStop", startsAgain},
		{"ListIsSortedAndComplete", listIsSortedAndComplete},
		{"WatchSendsTheListAtFirstAndAfterChanges", watchSendsChanges},
		{"SlowReadersGetTheNewestList", slowReadersGetTheNewest},
		{"ListsBelongToTheirReaders", listsBelongToReaders},
		{"WatchEndsWithItsContext", watchEndsWithContext},
		{"WatchEndsWithStop", watchEndsWithStop},
		{"CancelledCallsFail", cancelledCallsFail},
		{"NothingIsSentDuringAnOutageAndEverythingAfterIt", outageSendsNothing},
		{"DirectoryMayBeAwayAtStart", directoryMayBeAwayAtStart},
		{"StopDuringAnOutageEnds", stopDuringOutage},
		{"MalformedEntriesAreSkippedAndNamed", malformedEntriesAreSkipped},
		{"ImpossibleNodesAreNotRegistered", impossibleNodesAreRefused},
		{"RegisteredNodesAreListedUntilUnregistered", registers},
		{"RegisteringAgainChangesTheEntry", registersAgain},
		{"StopWithdrawsWhatWasRegistered", stopWithdraws},
		{"RegistrationIsMadeUpForAfterAnOutage", registersAfterOutage},
		{"NobodyWaitsForAConcurrentStopInVain", stopsConcurrently},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := fixture{Directory: open(t), log: &logBuffer{}}
			if f.Node == nil {
				f.Node = func(name string) discovery.Node {
					return discovery.Node{ID: name, Address: name + ".example", Port: 7000, Voter: true,
						Tags: map[string]string{"zone": "z-" + name}}
				}
			}
			test.run(t, f)
		})
	}
}

// fixture is one test's directory.
type fixture struct {
	Directory
	log *logBuffer
}

// create returns a discovery that is not started, and is stopped in the end.
func (f fixture) create(t *testing.T) discovery.Discovery {
	t.Helper()
	d := f.New(t, slog.New(slog.NewTextHandler(f.log, nil)))
	t.Cleanup(func() {
		// t.Context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Logf("stop in the end: %v", err)
		}
	})
	return d
}

func (f fixture) start(t *testing.T) discovery.Discovery {
	t.Helper()
	d := f.create(t)
	require.NoError(t, d.Start(t.Context()))
	return d
}

func (f fixture) nodes(names ...string) []discovery.Node {
	nodes := []discovery.Node{}
	for _, name := range names {
		nodes = append(nodes, f.Node(name))
	}
	slices.SortFunc(nodes, func(a, b discovery.Node) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	return nodes
}

// listed waits until the list is the one expected.
func listed(t *testing.T, d discovery.Discovery, expected []discovery.Node) {
	t.Helper()
	var last []discovery.Node
	eventually(t, func() bool {
		nodes, err := d.GetNodes(t.Context())
		last = nodes
		return err == nil && assert.ObjectsAreEqual(expected, nodes)
	}, func() { assert.Equal(t, expected, last) })
}

// received waits until the list expected is sent. Lists that are neither that one nor passed over are a failure.
func received(t *testing.T, lists <-chan []discovery.Node, expected []discovery.Node, passed ...[]discovery.Node) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case nodes, open := <-lists:
			require.True(t, open, "channel is closed")
			if assert.ObjectsAreEqual(expected, nodes) {
				return
			}
			require.Contains(t, passed, nodes)
		case <-deadline:
			require.FailNow(t, "list was not sent", "%+v", expected)
		}
	}
}

func silent(t *testing.T, lists <-chan []discovery.Node) {
	t.Helper()
	select {
	case nodes, open := <-lists:
		require.True(t, open, "channel is closed")
		require.Fail(t, "list was sent", "%+v", nodes)
	case <-time.After(quiet):
	}
}

func closed(t *testing.T, lists <-chan []discovery.Node) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, open := <-lists:
			if !open {
				return
			}
		case <-deadline:
			require.FailNow(t, "channel was not closed")
		}
	}
}

// eventually asks until the condition holds. It runs in the test's own goroutine, so that nothing outlives it.
func eventually(t *testing.T, condition func() bool, explain func()) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			explain()
			t.FailNow()
		}
	}
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
