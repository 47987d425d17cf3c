//go:build unix

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/certs"
)

// badge is the files by which one member of an election is known.
type badge struct{ ca, cert, key string }

func (c *cluster) newBadge(id string) badge {
	c.t.Helper()
	dir := filepath.Join(c.dir, "badge-"+id)
	require.NoError(c.t, os.Mkdir(dir, 0o700))
	return badge{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

func (b badge) flags() []string {
	return []string{"--peer-ca", b.ca, "--peer-cert", b.cert, "--peer-key", b.key}
}

// papers are the contents of a badge.
type papers struct{ ca, cert, key []byte }

// trusting returns papers that trust other authorities.
func (p papers) trusting(authorities ...authority) papers {
	p.ca = nil
	for _, a := range authorities {
		p.ca = append(p.ca, a.certificate...)
	}
	return p
}

// replace puts papers in the place of those that are there, each file by a rename, as people do
// while everything is running.
func (b badge) replace(t *testing.T, p papers) {
	t.Helper()
	for file, data := range map[string][]byte{b.ca: p.ca, b.key: p.key, b.cert: p.cert} {
		next := file + ".next"
		require.NoError(t, os.WriteFile(next, data, 0o600))
		require.NoError(t, os.Rename(next, file))
	}
}

// authority makes papers.
type authority struct {
	dir         string
	certificate []byte
}

// authority returns the one of this name, a new one at first.
func (c *cluster) authority(name string) authority {
	c.t.Helper()
	a := authority{dir: filepath.Join(c.dir, "authority-"+name)}
	if _, err := os.Stat(a.dir); err != nil {
		// Old enough for certificates that have expired.
		_, err := certs.Make(certs.Options{Dir: a.dir, Names: []string{"first"}, Now: func() time.Time { return time.Now().Add(-72 * time.Hour) }})
		require.NoError(c.t, err)
	}
	var err error
	a.certificate, err = os.ReadFile(filepath.Join(a.dir, "ca.pem"))
	require.NoError(c.t, err)
	return a
}

func (a authority) issue(t *testing.T, id string) papers {
	t.Helper()
	return a.issueAt(t, id, time.Now())
}

// issueAt makes papers that are good for a day from a moment on.
func (a authority) issueAt(t *testing.T, id string, at time.Time) papers {
	t.Helper()
	made, err := certs.Make(certs.Options{
		Dir: a.dir, Out: t.TempDir(), Names: []string{id}, Lifetime: 24 * time.Hour,
		Now: func() time.Time { return at },
	})
	require.NoError(t, err)
	read := func(file string) []byte {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		return data
	}
	return papers{a.certificate, read(made.Nodes[0].Cert), read(made.Nodes[0].Key)}
}

// meetPeers has a candidate answer others, through a proxy.
func (c *candidate) meetPeers(b badge) {
	c.t.Helper()
	address := freeAddress(c.t)
	c.peers, c.badge = newProxy(c.t, address), b
	c.args = append(c.args, "--peer-listen", address, "--addr", c.peers.address(), "--allow-handover")
	c.args = append(c.args, b.flags()...)
}

// announced asks a candidate what it has to tell.
func (c *cluster) announced(by *candidate) (a s3lect.Announcement, err error) {
	pair, err := tls.LoadX509KeyPair(c.observer.cert, c.observer.key)
	if err != nil {
		return a, err
	}
	ca, err := os.ReadFile(c.observer.ca)
	if err != nil {
		return a, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := http.Client{
		Timeout:   time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}, DisableKeepAlives: true},
	}
	response, err := client.Get("https://" + by.peers.address() + s3lect.DefaultPeerHealthPath)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return a, s3lect.ErrNotLeader
	}
	err = json.NewDecoder(response.Body).Decode(&a)
	return a, err
}

// awaitFollowers waits until so many wait for the leader's word.
func (c *cluster) awaitFollowers(n int, within time.Duration) {
	c.t.Helper()
	deadline := time.Now().Add(within + slack)
	for {
		leader := c.last().id
		a, err := c.announced(c.candidates[leader])
		if err == nil && a.Followers == n {
			return
		}
		require.True(c.t, time.Now().Before(deadline), "%s has %d followers, not %d, within %v: %v", leader, a.Followers, n, within, err)
		<-time.After(5 * tick)
	}
}

// reads counts what each candidate has read from the storage until now.
func (c *cluster) reads() map[string]int64 {
	reads := map[string]int64{}
	for id, candidate := range c.candidates {
		reads[id] = candidate.proxy.reads.Load()
	}
	return reads
}

// TestStrangersAndTheExpiredReadTheStorage shows who is let in, and that everybody else still takes
// part in the election, by the storage alone. Then all certificates are replaced while everything is
// running, those of the authority included.
func TestStrangersAndTheExpiredReadTheStorage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newCluster(t, setup{ids: []string{"a", "b", "stranger", "expired"}, flags: quick, peers: true})
	first, other := c.authority("first"), c.authority("other")
	for _, id := range []string{"a", "b"} {
		c.candidates[id].badge.replace(t, first.issue(t, id))
	}
	c.candidates["stranger"].badge.replace(t, other.issue(t, "stranger").trusting(first))
	c.candidates["expired"].badge.replace(t, first.issueAt(t, "expired", time.Now().Add(-48*time.Hour)))
	c.start("a")
	leadership := c.awaitLeader(0, bound)
	c.start("b", "stranger", "expired")

	c.awaitFollowers(1, bound)
	before := c.reads()
	c.workFor(2 * lease)
	for _, id := range []string{"stranger", "expired"} {
		assert.Greater(t, c.reads()[id]-before[id], int64(lease/interval), "%s reads the storage as without peers", id)
	}

	c.candidates["expired"].badge.replace(t, first.issue(t, "expired"))
	c.awaitFollowers(2, lease)
	c.candidates["stranger"].badge.replace(t, first.issue(t, "stranger"))
	c.awaitFollowers(3, lease)

	next := c.authority("next")
	everybody := func(issue func(id string) papers) {
		for id, candidate := range c.candidates {
			candidate.badge.replace(t, issue(id))
		}
		c.observer.replace(t, issue("observer"))
		c.candidates[leadership.id].peers.breakOnce() // so that nobody goes on with what was verified before
		c.awaitFollowers(3, lease)
	}
	everybody(func(id string) papers { return first.issue(t, id).trusting(first, next) })
	everybody(func(id string) papers { return next.issue(t, id).trusting(first, next) })
	everybody(func(id string) papers { return next.issue(t, id) })
	assert.Equal(t, leadership.term, c.last().term, "no certificate is worth a leadership")
	c.stop()
	require.NoError(t, audit(c.log()))
}
