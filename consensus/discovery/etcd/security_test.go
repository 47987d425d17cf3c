package etcd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

const password = "very-secret"

// protect demands a password, and lets the user "raft" do nothing but keep the prefix.
func protect(t *testing.T, s *server) {
	t.Helper()
	root := s.client(t, clientv3.Config{})
	ctx := t.Context()
	do := func(_ any, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	do(root.UserAdd(ctx, "root", "root-secret"))
	do(root.UserGrantRole(ctx, "root", "root"))
	do(root.RoleAdd(ctx, "raft"))
	do(root.RoleGrantPermission(ctx, "raft", "/raft/", clientv3.GetPrefixRangeEnd("/raft/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	do(root.UserAdd(ctx, "raft", password))
	do(root.UserGrantRole(ctx, "raft", "raft"))
	do(root.AuthEnable(ctx))
}

func TestUserWithThePrefixAndNothingElseIsEnough(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	protect(t, s)
	options := s.options()
	options.Username, options.Password = "raft", password
	d := started(t, options)
	lists := watch(t, d)
	require.Empty(t, <-lists)
	require.NoError(t, d.Register(t.Context(), node1))
	require.Equal(t, []discovery.Node{node1}, <-lists)

	// The server forgets the tokens that it has given for the password.
	s.kill()
	s.start(t)
	require.Equal(t, []discovery.Node{node1}, <-lists)
	require.NoError(t, d.Register(t.Context(), node2))
	require.Equal(t, []discovery.Node{node1, node2}, <-lists)
	require.NoError(t, d.Unregister(t.Context(), "n1"))
	require.Equal(t, []discovery.Node{node2}, <-lists)
	require.NoError(t, d.Stop(t.Context()))

	elsewhere := options
	elsewhere.Prefix = "/other"
	_, err := started(t, elsewhere).GetNodes(t.Context())
	require.ErrorContains(t, err, "permission denied")
}

func TestWrongPasswordIsAnErrorThatDoesNotShowIt(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	protect(t, s)
	options := s.options()
	options.Username, options.Password = "raft", "not-"+password
	d := started(t, options)
	_, err := d.GetNodes(t.Context())
	require.ErrorContains(t, err, "authentication failed")
	assert.NotContains(t, err.Error(), password)
	err = d.Register(t.Context(), node1)
	require.ErrorContains(t, err, "authentication failed")
	assert.NotContains(t, err.Error(), password)

	options.Username, options.Password = "", ""
	_, err = started(t, options).GetNodes(t.Context())
	require.Error(t, err)
}

func TestServerMayBeAwayAtStartWhenItDemandsAPassword(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	protect(t, s)
	s.kill()
	options := s.options()
	options.Username, options.Password = "raft", password
	d := started(t, options)
	lists := watch(t, d)
	s.start(t)
	require.Empty(t, <-lists)
}

func TestServerIsTalkedToOverMutualTLS(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	ca := newAuthority(t, directory)
	s := newServer(t, "https", "--client-cert-auth", "--trusted-ca-file="+ca.file,
		"--cert-file="+filepath.Join(directory, "server.crt"), "--key-file="+filepath.Join(directory, "server.key"))
	ca.issue(t, "server")
	client := &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, "client")}, MinVersion: tls.VersionTLS12}
	s.start(t)
	s.ready(t, clientv3.Config{TLS: client})

	options := s.options()
	options.TLS = client
	d := started(t, options)
	require.NoError(t, d.Register(t.Context(), node1))
	nodes, err := d.GetNodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []discovery.Node{node1}, nodes)

	for name, config := range map[string]*tls.Config{
		"no TLS": nil, "no client certificate": {RootCAs: ca.pool, MinVersion: tls.VersionTLS12},
		"unknown authority": {Certificates: client.Certificates, MinVersion: tls.VersionTLS12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each takes as long as a request may
			options := options
			options.TLS = config
			_, err := started(t, options).GetNodes(t.Context())
			assert.Error(t, err)
		})
	}
}

// authority signs certificates and writes them, and its own, to files.
type authority struct {
	directory, file string
	key             *ecdsa.PrivateKey
	certificate     *x509.Certificate
	pool            *x509.CertPool
}

func newAuthority(t *testing.T, directory string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a := &authority{directory: directory, file: filepath.Join(directory, "ca.crt"), key: key, certificate: certificate, pool: x509.NewCertPool()}
	a.pool.AddCert(certificate)
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	writePEM(t, filepath.Join(a.directory, name+".crt"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(a.directory, name+".key"), "EC PRIVATE KEY", secret)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
