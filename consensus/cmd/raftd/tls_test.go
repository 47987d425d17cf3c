//go:build unix

package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNodesWithCertificatesAreAClusterOverEveryTransport(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "grpc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			ours := newAuthority(t)
			c := newCluster(t, layout{size: 3, tls: ours.client(), args: []string{"--transport", transport, "--tls-ca", ours.file}, store: inDirectories("bbolt")})
			for _, m := range c.members {
				cert, key := ours.issue(m.id)
				m.args = append(m.args, "--tls-cert", cert, "--tls-key", key)
			}
			c.run()
			l := c.put()
			c.more(l, 100)
			old := c.leader()
			old.kill()
			c.more(l, 100)
			c.start(old)
			c.catchUp(old)
			c.judge(l)

			cert, key := ours.issue("operator")
			authority := []string{"--api", c.flag(), "--tls-ca", ours.file}
			code, _, stderr := do(t, append([]string{"set", "color", "green", "--tls-cert", cert, "--tls-key", key}, authority...)...)
			assert.Zero(t, code, stderr)
			code, _, stderr = do(t, append([]string{"leader"}, authority...)...)
			assert.Zero(t, code, stderr, "looking needs no certificate")
			code, _, stderr = do(t, append([]string{"set", "color", "blue"}, authority...)...)
			assert.Equal(t, 1, code, "changing does")
			assert.Contains(t, stderr, "certificate")
			cert, key = newAuthority(t).issue("stranger")
			code, _, _ = do(t, append([]string{"set", "color", "blue", "--tls-cert", cert, "--tls-key", key}, authority...)...)
			assert.NotZero(t, code, "and one of another authority is none")
			code, _, _ = do(t, "leader", "--api", "http://"+c.members[0].api)
			assert.Equal(t, 1, code)
		})
	}
}

// A node that has the right names and the wrong certificate is to be no member, whatever it is told.
func TestANodeOfAnotherAuthorityIsNotHeard(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	c := newCluster(t, layout{size: 3, tls: ours.client(), store: inMemory})
	for i, m := range c.members {
		by := ours
		if i == 2 {
			by = theirs
			m.client = clientOf(t, theirs.client(), patience, m.url)
		}
		cert, key := by.issue(m.id)
		m.args = append(m.args, "--tls-ca", by.file, "--tls-cert", cert, "--tls-key", key)
	}
	c.start(c.members...)
	leader := c.leader(c.members[0], c.members[1])
	c.set(leader, "color", "green")
	c.eventually("the stranger is not refused", func() bool {
		return leader.log.contains("certificate")
	})
	answer, err := answerOf(c.members[2].client.ReadStale(t.Context(), map[string]string{"get": "color"}))
	require.NoError(t, err)
	assert.False(t, answer.Found)
	assert.Empty(t, c.members[2].status().Cluster.Leader)
}

// The certificate of the API may come from elsewhere than the nodes', and be renewed while the node runs.
func TestTheAPIHasACertificateOfItsOwnAndTakesARenewedOne(t *testing.T) {
	public := newAuthority(t)
	cert, key := public.issue("first")
	tokens := t.TempDir() + "/tokens"
	require.NoError(t, os.WriteFile(tokens, []byte("secret\n"), 0o600))
	c := newCluster(t, layout{size: 1, store: inMemory, tls: public.client(), args: []string{
		"--api-tls-cert", cert, "--api-tls-key", key, "--token-file", tokens,
	}}).run()
	only := c.members[0]
	code, _, stderr := do(t, "set", "color", "green", "--api", only.url, "--tls-ca", public.file)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "token")
	code, _, stderr = do(t, "set", "color", "green", "--api", only.url, "--tls-ca", public.file, "--token-file", tokens)
	assert.Zero(t, code, stderr)

	assert.Equal(t, "first", shown(t, only, public))
	newCert, newKey := public.issue("second")
	require.NoError(t, os.Rename(newKey, key))
	require.NoError(t, os.Rename(newCert, cert))
	assert.Equal(t, "second", shown(t, only, public))
}

// shown is the name in the certificate that a node's API shows.
func shown(t *testing.T, m *member, by *authority) string {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(by.certificate)
	connection, err := tls.Dial("tcp", m.api, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots})
	require.NoError(t, err)
	defer connection.Close()
	return connection.ConnectionState().PeerCertificates[0].Subject.CommonName
}
