package election

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority returns TLS configurations for nodes on this machine whose certificates it has signed.
func authority(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      pool, ClientCAs: pool, MinVersion: tls.VersionTLS13,
	}
}

func TestOnlyNodesWithACertificateOfTheFleetTakePart(t *testing.T) {
	good := authority(t)
	certificates := map[string]*tls.Config{"a": good, "b": good, "c": authority(t), "d": nil}
	var nodes []Node
	for _, id := range []string{"a", "b", "c", "d"} {
		nodes = append(nodes, Node{ID: id, Address: freeAddress(t), NoVote: id == "d"})
	}
	directory := t.TempDir()
	running := map[string]*Election{}
	for _, node := range nodes {
		e, err := New(Config{
			Node: node, Peers: nodes, ElectionTimeout: time.Second, TLS: certificates[node.ID],
			VotesFile: filepath.Join(directory, node.ID), Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		running[node.ID] = e
		ended := make(chan error, 1)
		go func() { ended <- e.Run(t.Context()) }()
		t.Cleanup(func() {
			assert.NoError(t, e.Stop(context.Background()))
			assert.NoError(t, <-ended)
		})
	}
	require.Eventually(t, func() bool { return running["a"].IsLeader() || running["b"].IsLeader() },
		patienceForLeaders, time.Millisecond)
	for _, id := range []string{"c", "d"} {
		_, found := running[id].Leader()
		assert.False(t, found, "%s is let in", id)
		select {
		case err := <-running[id].Errors():
			assert.ErrorContains(t, err, "does not answer")
		case <-time.After(patienceForLeaders):
			assert.Fail(t, "nothing is said of it", id)
		}
	}
}
