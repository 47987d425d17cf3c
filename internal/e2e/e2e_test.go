//go:build unix

// Package e2e runs the command as people do: real processes on a real S3 server, under real faults.
package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/s3server"
)

const (
	lease    = 3 * time.Second
	interval = 500 * time.Millisecond // frequent and infrequent
	// bound is the promise for a leader that falls silent, where both intervals are equal.
	bound = lease + interval
	// slack is for the claim's random wait and round trips, and for a busy machine to start processes.
	slack = 3 * time.Second
)

// TestOneLeaderAtATimeUnderRealFaults runs five candidates, each behind a proxy of its own, and
// takes the leadership away from whoever has it, in every way a machine or network does that.
//
// The jobs append to one log. That no line of an older term follows one of a newer term is more
// than s3lect promises of a process that is stopped as a whole: such a job could wake up and append
// once more before its guard has killed it, and only the log itself could refuse that, by the term.
// Here the supervisor alone is stopped. Its guard is not, and kills the job when the lease has
// almost run out, before any other candidate may lead; so the claim holds for every fault below.
func TestOneLeaderAtATimeUnderRealFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newCluster(t)
	c.awaitLeader(0, bound)

	c.fault("the leader is killed", bound, func(leader *candidate) (heal func()) {
		leader.kill()
		return leader.start
	})
	c.fault("the leader is stopped and continued", bound, func(leader *candidate) func() {
		leader.signal(syscall.SIGSTOP)
		return func() { leader.signal(syscall.SIGCONT) }
	})
	c.fault("the leader's connections to the storage stall", bound, func(leader *candidate) func() {
		leader.proxy.set(stall)
		return func() { leader.proxy.set(pass) }
	})
	c.fault("the leader's connections to the storage are reset", bound, func(leader *candidate) func() {
		leader.proxy.set(reset)
		return func() { leader.proxy.set(pass) }
	})
	c.fault("the leader is asked to end", interval, func(leader *candidate) func() {
		leader.signal(syscall.SIGTERM)
		return func() {
			assert.NoError(t, leader.wait(), "the job ended well when asked, and its status is passed on")
			leader.start()
		}
	})
	c.breakConnectionsOnce()
	c.stop()
	require.NoError(t, audit(c.log()))
}

// cluster is five candidates that elect whose job may append to the log.
type cluster struct {
	t          *testing.T
	dir        string
	candidates map[string]*candidate
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	server := s3server.Start(t)
	bucket := server.NewBucket(t)
	upstream, err := url.Parse(server.Endpoint)
	require.NoError(t, err)

	c := &cluster{t: t, dir: t.TempDir(), candidates: map[string]*candidate{}}
	binary := filepath.Join(c.dir, "s3lect")
	output, err := exec.Command("go", "build", "-o", binary, "github.com/seed-6dc909bb/s3lect/cmd/s3lect").CombinedOutput()
	require.NoError(t, err, "%s", output)

	for _, id := range []string{"a", "b", "c", "d", "e"} {
		proxy := newProxy(t, upstream.Host)
		c.candidates[id] = &candidate{
			t: t, id: id, proxy: proxy, output: filepath.Join(c.dir, id+".log"),
			args: []string{
				binary, "run",
				"--store", s3server.URL(bucket, proxy.url()), "--key", "leader.json", "--id", id,
				"--lease", lease.String(), "--frequent", interval.String(), "--infrequent", interval.String(),
				"--grace", "1s",
				"--", os.Args[0], jobArg, filepath.Join(c.dir, "log"),
			},
			// A program with the race detector sleeps for a second when it exits, unless told not to.
			env: append(append(os.Environ(), server.Environ()...), "GORACE=atexit_sleep_ms=0"),
		}
	}
	t.Cleanup(c.cleanUp) // after the proxies' own, so before them
	for _, candidate := range c.candidates {
		candidate.start()
	}
	return c
}

// cleanUp kills what a failed test has left, and shows what the candidates said.
func (c *cluster) cleanUp() {
	for _, candidate := range c.candidates {
		if candidate.cmd != nil {
			candidate.kill()
		}
		if c.t.Failed() {
			said, _ := os.ReadFile(candidate.output)
			c.t.Logf("%s said:\n%s", candidate.id, said)
		}
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

// breakConnectionsOnce costs no leadership: the leader connects again within its lease.
func (c *cluster) breakConnectionsOnce() {
	c.t.Helper()
	before := c.last()
	broken := time.Now()
	c.candidates[before.id].proxy.breakOnce()
	after := c.await(2*lease, "work after broken connections", func(e entry) bool { return e.at.After(broken.Add(lease + interval)) })
	assert.Equal(c.t, before.term, after.term, "broken connections cost the leadership")
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
	t      *testing.T
	id     string
	proxy  *proxy
	args   []string
	env    []string
	output string
	cmd    *exec.Cmd
}

func (c *candidate) start() {
	c.t.Helper()
	output, err := os.OpenFile(c.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(c.t, err)
	defer output.Close()
	c.cmd = exec.Command(c.args[0], c.args[1:]...)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.env, output, output
	require.NoError(c.t, c.cmd.Start())
}

func (c *candidate) signal(s syscall.Signal) {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Signal(s))
}

func (c *candidate) wait() error { return c.cmd.Wait() }

func (c *candidate) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}
