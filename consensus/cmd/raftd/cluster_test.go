//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/freeport"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// cluster is a number of nodes on this machine.
type cluster struct {
	t       *testing.T
	members []*member
	program string      // that nodes run; the one of this test if empty
	tls     *tls.Config // of clients; nil without TLS
}

// member is a node that can be started again and again.
type member struct {
	*process

	id, address string
	api         string // host and port
	url         string // of the API
	args        []string
	client      *admin.Client // asks this node alone
}

// layout says where nodes keep their data, and what else they are started with.
type layout struct {
	size    int
	program string // that nodes run; the one of this test if empty
	store   func(t *testing.T, id string) []string
	args    []string
	tls     *tls.Config // of clients; nil without TLS
}

// engines keep data in a directory.
var engines = []string{"pebble", "badger", "bbolt"}

// inDirectories keeps data in a directory for each node.
func inDirectories(kind string) func(t *testing.T, id string) []string {
	return func(t *testing.T, _ string) []string {
		t.Helper()
		return []string{"--store", kind, "--data", t.TempDir()}
	}
}

// newCluster describes the nodes n1, n2 and so on, and starts none of them.
func newCluster(t *testing.T, l layout) *cluster {
	t.Helper()
	c := &cluster{t: t, program: l.program, tls: l.tls}
	var peers []string
	for i := range l.size {
		m := newMember(t, fmt.Sprintf("n%d", i+1), l)
		c.members = append(c.members, m)
		peers = append(peers, m.id+"="+m.address)
	}
	for _, m := range c.members {
		m.args = append(m.args, "--peers", strings.Join(peers, ","))
	}
	return c
}

func newMember(t *testing.T, id string, l layout) *member {
	t.Helper()
	m := &member{id: id, address: freeport.Address(t), api: freeport.Address(t)}
	m.args = append([]string{"--id", id, "--api", m.api, "--election-timeout-min", "500ms"}, l.args...)
	m.args = append(m.args, l.store(t, id)...)
	m.url = "http://" + m.api
	if l.tls != nil {
		m.url = "https://" + m.api
	}
	m.client = clientOf(t, l.tls, time.Second, m.url)
	return m
}

func clientOf(t *testing.T, tlsConfig *tls.Config, timeout time.Duration, urls ...string) *admin.Client {
	t.Helper()
	client, err := admin.NewClient(admin.ClientOptions{Servers: urls, TLS: tlsConfig, Timeout: timeout})
	require.NoError(t, err)
	return client
}

// start starts nodes, at once.
func (c *cluster) start(members ...*member) {
	c.t.Helper()
	for _, m := range members {
		args := append([]string{"run"}, m.args...)
		if c.program == "" {
			m.process = start(c.t, args...)
		} else {
			m.process = startCommand(c.t, commandOf(c.program, args...))
		}
	}
	for _, m := range members {
		m.answers()
	}
}

// killAll ends all nodes at once, as a power failure would.
func (c *cluster) killAll() {
	for _, m := range c.members {
		_ = m.cmd.Process.Kill() // fails if it has ended
	}
	for _, m := range c.members {
		<-m.ended
	}
}

// run starts all nodes and waits for a leader.
func (c *cluster) run() *cluster {
	c.t.Helper()
	c.start(c.members...)
	c.leader()
	return c
}

func (m *member) answers() {
	m.t.Helper()
	select {
	case <-m.log.serves:
	case <-m.ended:
		require.FailNow(m.t, m.id+" has ended", m.log)
	case <-time.After(patience):
		require.FailNow(m.t, m.id+" does not answer", m.log)
	}
}

// status asks a node, nil if it does not answer.
func (m *member) status() *admin.Status {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	status, err := m.client.Status(ctx)
	if err != nil {
		return nil
	}
	return &status
}

// leader waits until one of these nodes, or of all, says that it leads, and returns it.
func (c *cluster) leader(among ...*member) *member {
	c.t.Helper()
	if len(among) == 0 {
		among = c.members
	}
	var found *member
	c.eventually("nobody leads", func() bool {
		for _, m := range among {
			if status := m.status(); status != nil && status.IsLeader {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// others are all nodes but one.
func (c *cluster) others(than *member) []*member {
	var others []*member
	for _, m := range c.members {
		if m != than {
			others = append(others, m)
		}
	}
	return others
}

// urls are those of all nodes' APIs.
func (c *cluster) urls() []string {
	urls := make([]string, len(c.members))
	for i, m := range c.members {
		urls[i] = m.url
	}
	return urls
}

// flag is --api for the command line.
func (c *cluster) flag() string { return strings.Join(c.urls(), ",") }

// catchUp waits until a node has applied what is written now.
func (c *cluster) catchUp(m *member) {
	c.t.Helper()
	marker := rand.Text()
	c.eventually("nothing can be written", func() bool {
		_, err := apply(c.t.Context(), c.leader().client, kv.Set("marker", marker))
		return err == nil
	})
	c.eventually(m.id+" does not catch up", func() bool {
		answer, err := answerOf(m.client.ReadStale(c.t.Context(), map[string]string{"get": "marker"}))
		return err == nil && answer.Value == marker
	})
}

// eventually asks until the answer is yes.
func (c *cluster) eventually(otherwise string, yes func() bool) {
	c.t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		select {
		case <-deadline:
			require.FailNow(c.t, otherwise)
		case <-ticker.C:
		}
	}
}
