package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustMake(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Make(o)
	require.NoError(t, err)
	return r
}

func load(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	block, rest := pem.Decode(data)
	require.NotNil(t, block)
	require.Empty(t, rest)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	p.AddCert(load(t, file))
	return p
}

// snapshot is every file below a directory with its content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = string(data)
		return err
	}))
	return all
}

func TestNodesServeAndAskWithTheirCertificates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "certs")
	r := mustMake(t, Options{Dir: dir, Names: []string{"a", "b"}})
	pair := func(n Node) tls.Certificate {
		loaded, err := tls.LoadX509KeyPair(n.Cert, n.Key)
		require.NoError(t, err)
		return loaded
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair(r.Nodes[0])},
		ClientCAs:    pool(t, r.CA.Cert), ClientAuth: tls.RequireAndVerifyClientCert,
	})
	require.NoError(t, err)
	defer listener.Close()
	var server sync.WaitGroup
	server.Go(func() {
		c, err := listener.Accept()
		if assert.NoError(t, err) {
			_, err = c.Write([]byte("x")) // shakes hands first
			assert.NoError(t, errors.Join(err, c.Close()))
		}
	})
	// The address of the listener is verified as the name of the server.
	c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
		Certificates: []tls.Certificate{pair(r.Nodes[1])}, RootCAs: pool(t, r.CA.Cert),
	})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Read(make([]byte, 1))
	require.NoError(t, err)
	server.Wait()
}

func TestCertificatesSayNoMoreThanNodesNeed(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	r := mustMake(t, Options{Dir: t.TempDir(), Names: []string{"node-1.internal"}, Hosts: []string{"10.0.0.1", "fd00::1", "node-1.internal", "*.example.com"}, Now: func() time.Time { return now }})
	ca, node := load(t, r.CA.Cert), load(t, r.Nodes[0].Cert)

	assert.True(t, ca.IsCA)
	assert.True(t, ca.BasicConstraintsValid)
	assert.Zero(t, ca.MaxPathLen)
	assert.True(t, ca.MaxPathLenZero)
	assert.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, ca.KeyUsage)
	assert.Equal(t, now.Add(10*365*24*time.Hour).UTC(), ca.NotAfter)

	assert.False(t, node.IsCA)
	assert.True(t, node.BasicConstraintsValid)
	assert.Equal(t, x509.KeyUsageDigitalSignature, node.KeyUsage)
	assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, node.ExtKeyUsage)
	assert.Equal(t, []string{"node-1.internal", "*.example.com"}, node.DNSNames)
	require.Len(t, node.IPAddresses, 2)
	assert.True(t, node.IPAddresses[0].Equal(net.IPv4(10, 0, 0, 1)))
	assert.Equal(t, now.Add(365*24*time.Hour).UTC(), node.NotAfter)
	assert.Equal(t, r.Nodes[0].Expires, node.NotAfter)
	assert.Equal(t, []string{"node-1.internal", "10.0.0.1", "fd00::1", "*.example.com"}, r.Nodes[0].Hosts)

	for _, cert := range []*x509.Certificate{ca, node} {
		assert.True(t, cert.NotBefore.Before(now), "for clocks that run late")
		assert.Greater(t, cert.SerialNumber.BitLen(), 90)
		public, ok := cert.PublicKey.(*ecdsa.PublicKey)
		require.True(t, ok)
		assert.Equal(t, elliptic.P256(), public.Curve)
	}
	assert.NotEqual(t, ca.SerialNumber, node.SerialNumber)
	assert.NotEqual(t, ca.Subject.String(), load(t, mustMake(t, Options{Dir: t.TempDir(), Names: []string{"x"}}).CA.Cert).Subject.String())
}

func TestLocalhostIsCertifiedOnlyWhereNoHostIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustMake(t, Options{Dir: dir, Names: []string{"a"}})
	assert.Equal(t, []string{"a", "localhost", "127.0.0.1", "::1"}, r.Nodes[0].Hosts)
	r = mustMake(t, Options{Dir: dir, Names: []string{"10.0.0.7"}, Hosts: []string{"b.internal"}})
	assert.Equal(t, []string{"10.0.0.7", "b.internal"}, r.Nodes[0].Hosts)
	cert := load(t, r.Nodes[0].Cert)
	require.NoError(t, cert.VerifyHostname("10.0.0.7"), "a name can be an address")
	require.Error(t, cert.VerifyHostname("127.0.0.1"))
}

func TestOpensslAcceptsTheChain(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "openssl is to be installed where changes are judged")
		t.Skip("there is no openssl here")
	}
	r := mustMake(t, Options{Dir: t.TempDir(), Names: []string{"a"}})
	for _, purpose := range []string{"sslserver", "sslclient"} {
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-CAfile", r.CA.Cert, "-purpose", purpose, "-verify_hostname", "localhost", r.Nodes[0].Cert).CombinedOutput()
		assert.NoError(t, err, "%s: %s", purpose, out)
	}
	out, err := exec.Command(openssl, "x509", "-noout", "-fingerprint", "-sha256", "-in", r.Nodes[0].Cert).Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "="+r.Nodes[0].SHA256+"\n")
}

func TestTheAuthorityIsMadeOnceAndSignsLaterNodes(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "next")
	first := mustMake(t, Options{Dir: dir, Names: []string{"a"}})
	before := snapshot(t, dir)
	again := mustMake(t, Options{Dir: dir, Out: out, Names: []string{"a"}})
	assert.Equal(t, before, snapshot(t, dir), "a new pair beside the old one changes nothing")
	assert.True(t, first.CA.Made)
	assert.False(t, again.CA.Made)
	assert.Equal(t, first.CA.SHA256, again.CA.SHA256)
	assert.NotEqual(t, first.Nodes[0].SHA256, again.Nodes[0].SHA256)
	assert.Equal(t, filepath.Join(out, "a.pem"), again.Nodes[0].Cert)
	_, err := load(t, again.Nodes[0].Cert).Verify(x509.VerifyOptions{Roots: pool(t, first.CA.Cert)})
	require.NoError(t, err)
}

func TestKeysAreReadByTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("permissions are others there")
	}
	dir := filepath.Join(t.TempDir(), "certs")
	r := mustMake(t, Options{Dir: dir, Names: []string{"a"}})
	for path, mode := range map[string]fs.FileMode{dir: 0o700, r.CA.Key: 0o600, r.Nodes[0].Key: 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), path)
	}
}

func TestNoFileIsEverOverwritten(t *testing.T) {
	t.Parallel()
	for _, there := range []string{"b.pem", "b-key.pem"} {
		dir := t.TempDir()
		mustMake(t, Options{Dir: dir, Names: []string{"a"}})
		require.NoError(t, os.WriteFile(filepath.Join(dir, there), []byte("precious"), 0o600))
		before := snapshot(t, dir)
		_, err := Make(Options{Dir: dir, Names: []string{"c", "b", "a"}})
		require.ErrorContains(t, err, "nothing was made, because no file is overwritten")
		assert.ErrorContains(t, err, filepath.Join(dir, there))
		assert.ErrorContains(t, err, filepath.Join(dir, "a.pem"), "every file in the way is named")
		assert.Equal(t, before, snapshot(t, dir))
	}
	dir := t.TempDir()
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "a.pem")))
	_, err := Make(Options{Dir: dir, Names: []string{"a"}})
	require.ErrorContains(t, err, "nothing was made", "nor is a link followed")
}

// A file can also appear after it was looked for.
func TestFileThatAppearsMeanwhileIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.pem")
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	var all files
	require.ErrorIs(t, all.create(file{path, []byte("x"), 0o600}), fs.ErrExist)
	require.ErrorIs(t, all.rollBack(fs.ErrExist), fs.ErrExist)
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(kept))
}

// Two runs at once see the same empty directory. One of them makes everything.
func TestRunsAtOnceDoNotMixTheirFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() { _, errs[i] = Make(Options{Dir: dir, Names: []string{"a"}}) })
	}
	all.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		}
	}
	require.Equal(t, 1, made, "%v", errs)
	_, err := tls.LoadX509KeyPair(filepath.Join(dir, "a.pem"), filepath.Join(dir, "a-key.pem"))
	require.NoError(t, err)
	_, err = load(t, filepath.Join(dir, "a.pem")).Verify(x509.VerifyOptions{Roots: pool(t, filepath.Join(dir, "ca.pem"))})
	require.NoError(t, err)
}

func TestAFailedRunLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// The authority and a node are written before the directory of the other one turns out to be a
	// file that was not there when everything was checked.
	all := files{list: []file{
		{filepath.Join(dir, "certs", "ca.pem"), []byte("x"), 0o600},
		{filepath.Join(dir, "out", "deep", "a.pem"), []byte("x"), 0o600},
		{filepath.Join(dir, "certs", "ca.pem", "b.pem"), []byte("x"), 0o600},
	}}
	err := all.write()
	require.ErrorContains(t, err, "nothing was made: ")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestWhatCannotBeRemovedAgainIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all files
	require.NoError(t, all.makeDir(filepath.Join(dir, "certs")))
	stranger := filepath.Join(dir, "certs", "somebody-elses")
	require.NoError(t, os.WriteFile(stranger, nil, 0o600))
	boom := errors.New("disk full")
	err := all.rollBack(boom)
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, err, filepath.Join(dir, "certs")+" was made and cannot be removed again")
	assert.NotContains(t, err.Error(), "nothing was made")
	assert.FileExists(t, stranger)
}

func TestDirectoryThatCannotBeWrittenIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Make(Options{Dir: file, Names: []string{"a"}})
	require.ErrorContains(t, err, file)
	_, err = Make(Options{Dir: t.TempDir(), Out: file, Names: []string{"a"}})
	require.ErrorContains(t, err, file)

	if os.Geteuid() <= 0 {
		return // permissions do not bind root, nor mean this on Windows
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	_, err = Make(Options{Dir: filepath.Join(dir, "certs"), Names: []string{"a"}})
	require.ErrorIs(t, err, fs.ErrPermission)
}

func TestBadAuthoritiesAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(r, other *Result) error
		after time.Duration
		says  string
	}{
		"without its key":         {func(r, _ *Result) error { return os.Remove(r.CA.Key) }, 0, "its key "},
		"without its certificate": {func(r, _ *Result) error { return os.Remove(r.CA.Cert) }, 0, "its certificate "},
		"with another's key":      {func(r, other *Result) error { return os.Rename(other.CA.Key, r.CA.Key) }, 0, "does not match"},
		"a node": {func(r, _ *Result) error {
			return errors.Join(os.Rename(r.Nodes[0].Cert, r.CA.Cert), os.Rename(r.Nodes[0].Key, r.CA.Key))
		}, 0, "it is not one"},
		"not PEM": {func(r, _ *Result) error { return os.WriteFile(r.CA.Cert, []byte("x"), 0o600) }, 0, "failed to find any PEM data"},
		"a directory": {func(r, _ *Result) error {
			return errors.Join(os.Remove(r.CA.Key), os.Mkdir(r.CA.Key, 0o700))
		}, 0, "read the certificate authority's key"},
		"expired":       {nil, 11 * 365 * 24 * time.Hour, "it expired on "},
		"of the future": {nil, -time.Hour, "it is not valid before "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := mustMake(t, Options{Dir: dir, Names: []string{"a"}})
			if c.spoil != nil {
				require.NoError(t, c.spoil(r, mustMake(t, Options{Dir: t.TempDir(), Names: []string{"a"}})))
			}
			before := snapshot(t, dir)
			_, err := Make(Options{Dir: dir, Names: []string{"b"}, Now: func() time.Time { return time.Now().Add(c.after) }})
			require.ErrorContains(t, err, c.says)
			assert.ErrorContains(t, err, dir)
			assert.Equal(t, before, snapshot(t, dir))
		})
	}
}

func TestNoCertificateOutlivesItsAuthority(t *testing.T) {
	t.Parallel()
	r := mustMake(t, Options{Dir: t.TempDir(), Names: []string{"a"}, CALifetime: time.Hour, Lifetime: 2 * time.Hour})
	assert.True(t, r.Nodes[0].Shortened)
	assert.Equal(t, r.CA.Expires, r.Nodes[0].Expires)
	assert.False(t, mustMake(t, Options{Dir: t.TempDir(), Names: []string{"a"}}).Nodes[0].Shortened)
}

func TestBadOptionsAreNamed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 65)
	dir := filepath.Join(t.TempDir(), "certs")
	for _, c := range []struct {
		o    Options
		says string
	}{
		{Options{}, "the directory of the certificate authority is required"},
		{Options{Dir: dir}, "at least one name is required"},
		{Options{Dir: dir, Names: []string{"a", ""}}, "a name is empty"},
		{Options{Dir: dir, Names: []string{"a/b"}}, `name "a/b" must be a host name`},
		{Options{Dir: dir, Names: []string{`a\b`}}, "must be a host name"},
		{Options{Dir: dir, Names: []string{"."}}, `name "." must be a host name`},
		{Options{Dir: dir, Names: []string{".."}}, `name ".." must be a host name`},
		{Options{Dir: dir, Names: []string{".hidden"}}, "must be a host name"},
		{Options{Dir: dir, Names: []string{"-flag"}}, "must be a host name"},
		{Options{Dir: dir, Names: []string{"a b"}}, "must be a host name"},
		{Options{Dir: dir, Names: []string{"a:8443"}}, "must be a host name"},
		{Options{Dir: dir, Names: []string{"fd00::1"}}, `name "fd00::1", an IPv6 address, cannot be the name of files`},
		{Options{Dir: dir, Names: []string{long}}, "is 65 characters long; at most 64"},
		{Options{Dir: dir, Names: []string{"CA"}}, `name "CA" is the certificate authority's`},
		{Options{Dir: dir, Names: []string{"a-key"}}, `must not end in "-key"`},
		{Options{Dir: dir, Names: []string{"a", "A"}}, `name "A" is given twice`},
		{Options{Dir: dir, Names: []string{"a"}, Hosts: []string{"a:1"}}, `host "a:1" must be a host name or an IP address, without a port`},
		{Options{Dir: dir, Names: []string{"a"}, Hosts: []string{""}}, `host "" must be`},
		{Options{Dir: dir, Names: []string{"a"}, Lifetime: -1}, "lifetime -1ns must be positive"},
		{Options{Dir: dir, Names: []string{"a"}, CALifetime: -1}, "ca-lifetime -1ns must be positive"},
	} {
		require.ErrorContains(t, c.o.Validate(), c.says)
		_, err := Make(c.o)
		require.ErrorContains(t, err, c.says)
		assert.NoDirExists(t, dir)
	}
}
