//go:build unix

package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/figure"
	"github.com/seed-6dc909bb/s3lect/internal/s3server"
)

// setup is what clusters differ in.
type setup struct {
	ids   []string
	flags []string                 // of every candidate
	peers bool                     // followers ask the leader
	on    func(*testing.T) backend // defaults to onS3
}

// backend is a server that keeps the record.
type backend struct {
	host    string                   // and port of the server
	url     func(host string) string // of the storage, by way of that host and port or of a proxy's
	env     []string                 // what the storage demands
	storage s3lect.Storage
}

func onS3(t *testing.T) backend {
	t.Helper()
	server := s3server.Start(t)
	bucket := server.NewBucket(t)
	upstream, err := url.Parse(server.Endpoint)
	require.NoError(t, err)
	storage, err := s3lect.NewS3Storage(server.Client(), bucket)
	require.NoError(t, err)
	return backend{
		host: upstream.Host, env: server.Environ(), storage: storage,
		url: func(host string) string { return s3server.URL(bucket, "http://"+host) },
	}
}

// quick are intervals for many faults in a short time.
var quick = []string{"--lease", lease.String(), "--frequent", interval.String(), "--infrequent", interval.String()}

// cluster is candidates that elect whose job may append to the log.
type cluster struct {
	t          *testing.T
	dir        string
	binary     string
	store      string         // URL of the storage, without a proxy in between
	storage    s3lect.Storage // the same, for the test itself
	env        []string       // with what the storage demands
	candidates map[string]*candidate
	observer   badge // of the test itself
}

// newCluster prepares candidates, each behind proxies of its own. They are not started.
func newCluster(t *testing.T, s setup) *cluster {
	t.Helper()
	if s.on == nil {
		s.on = onS3
	}
	back := s.on(t)
	c := &cluster{
		storage: back.storage,
		t:       t, dir: t.TempDir(), candidates: map[string]*candidate{}, store: back.url(back.host),
		// A program with the race detector sleeps for a second when it exits, unless told not to.
		env: append(append(os.Environ(), back.env...), "GORACE=atexit_sleep_ms=0"),
	}
	c.binary = buildCommand(t)

	for _, id := range s.ids {
		proxy := newProxy(t, back.host)
		candidate := &candidate{proxy: proxy, program: program{
			t: t, id: id, output: filepath.Join(c.dir, id+".log"), env: c.env,
			args: append([]string{
				c.binary, "run",
				"--store", back.url(proxy.address()), "--key", "leader.json", "--id", id, "--grace", "1s",
			}, s.flags...),
		}}
		if s.peers {
			candidate.meetPeers(c.newBadge(id))
		}
		candidate.args = append(candidate.args, "--", os.Args[0], jobArg, filepath.Join(c.dir, "log"))
		c.candidates[id] = candidate
	}
	if s.peers {
		c.observer = c.newBadge("observer")
		c.observer.replace(t, c.authority("first").issue(t, "observer"))
	}
	t.Cleanup(c.cleanUp) // after the proxies' own, so before them
	return c
}

// start starts some candidates, all if none is named.
func (c *cluster) start(ids ...string) {
	c.t.Helper()
	for id, candidate := range c.candidates {
		if len(ids) == 0 || slices.Contains(ids, id) {
			candidate.start()
		}
	}
}

// cleanUp kills what a failed test has left, and shows what the candidates said.
func (c *cluster) cleanUp() {
	for _, candidate := range c.candidates {
		candidate.cleanUp()
	}
}

// log reads whole lines only: the last one may be in the making.
func (c *cluster) log() []entry {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if !os.IsNotExist(err) {
		require.NoError(c.t, err)
	}
	entries, err := parseLog(string(text[:strings.LastIndexByte(string(text), '\n')+1]))
	require.NoError(c.t, err)
	return entries
}

// awaitLeader returns the start of the first job with a higher term.
func (c *cluster) awaitLeader(above int64, within time.Duration) entry {
	c.t.Helper()
	return c.await(within, fmt.Sprintf("a leader with a term above %d", above), func(e entry) bool {
		return e.term > above && e.event == "start"
	})
}

func (c *cluster) await(within time.Duration, what string, is func(entry) bool) entry {
	c.t.Helper()
	deadline := time.Now().Add(within + slack)
	for {
		for _, e := range c.log() {
			if is(e) {
				return e
			}
		}
		require.True(c.t, time.Now().Before(deadline), "there was not %s within %v", what, within)
		<-time.After(tick)
	}
}

func (c *cluster) last() entry {
	c.t.Helper()
	entries := c.log()
	require.NotEmpty(c.t, entries)
	return entries[len(entries)-1]
}

// fault takes the leadership from its holder, awaits another one, and heals. All this time the log
// has to stay in order.
func (c *cluster) fault(what string, within time.Duration, strike func(leader *candidate) (heal func())) {
	c.t.Helper()
	before := c.last()
	struck := time.Now()
	heal := strike(c.candidates[before.id])
	next := c.awaitLeader(before.term, within)
	c.t.Logf("%s: term %d of %s, after %v term %d of %s", what, before.term, before.id, next.at.Sub(struck).Round(time.Millisecond), next.term, next.id)
	figure.Times(c.t, what, "time until the next one leads", next.at.Sub(struck))
	// Whatever the old leader's job does late would show among the work of the new one's: while the
	// fault lasts, and when it is over.
	c.awaitWork(next.term)
	heal()
	c.awaitWork(next.term)
	require.NoError(c.t, audit(c.log()), what)
}

// awaitWork returns when a leader of the term, or a later one, has worked for an interval from now.
func (c *cluster) awaitWork(term int64) {
	c.t.Helper()
	from := time.Now()
	c.await(bound, fmt.Sprintf("work in term %d", term), func(e entry) bool {
		return e.term >= term && e.event == "tick" && e.at.After(from.Add(interval))
	})
}

// undisturbed does something that must not cost the leadership, though it lasts for longer than a
// lease.
func (c *cluster) undisturbed(what string, strike func(leader *candidate) (heal func())) {
	c.t.Helper()
	before := c.last()
	heal := strike(c.candidates[before.id])
	after := c.workFor(lease + interval)
	heal()
	assert.Equal(c.t, before.term, after.term, "%s cost the leadership", what)
	c.awaitWork(before.term)
	require.NoError(c.t, audit(c.log()), what)
}

// workFor returns the first work after a while.
func (c *cluster) workFor(d time.Duration) entry {
	c.t.Helper()
	from := time.Now()
	return c.await(d+bound, fmt.Sprintf("work after %v", d), func(e entry) bool { return e.event == "tick" && e.at.After(from.Add(d)) })
}

// stop ends all candidates in an orderly way.
func (c *cluster) stop() {
	for _, candidate := range c.candidates {
		candidate.signal(syscall.SIGTERM)
	}
	for _, candidate := range c.candidates {
		_ = candidate.wait()
		code := candidate.cmd.ProcessState.ExitCode()
		assert.Contains(c.t, []int{0, 128 + int(syscall.SIGTERM)}, code, "%s ended with status %d", candidate.id, code)
		candidate.cmd = nil
	}
}

// candidate is one "s3lect run".
type candidate struct {
	program
	proxy *proxy // to the storage
	peers *proxy // from the other candidates; nil without peer mode
	badge badge  // what this candidate proves its membership with
}
