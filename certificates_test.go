package s3lect

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

func TestRenamedCertificateFilesAreLoadedAgain(t *testing.T) {
	t.Parallel()
	ca, clock := newTestCA(t, "ca"), &testClock{}
	log, lines := newLogLines()
	first, second := ca.issue(t, "first"), ca.issue(t, "second")
	files := newPairFiles(t, first)
	pair, err := reload.Loader{Log: log, Now: clock.now}.KeyPairFiles(files.cert, files.key)
	require.NoError(t, err)
	assert.Equal(t, "first", pair.Get().Leaf.Subject.CommonName)

	files.replace(t, second)
	clock.advance(reload.Interval / 2)
	assert.Equal(t, "first", pair.Get().Leaf.Subject.CommonName, "files are not looked at more than once a second")
	clock.advance(reload.Interval)
	assert.Equal(t, "second", pair.Get().Leaf.Subject.CommonName)
	assert.Len(t, lines.with("loaded changed files"), 1)

	same := pair.Get()
	for range 3 {
		clock.advance(reload.Interval)
		assert.Same(t, same, pair.Get(), "what has not changed is not made again")
	}
}

// Secrets are mounted by Kubernetes as links to files in a directory that is itself a link, which
// is swapped.
func TestSwappedSymbolicLinkIsNoticed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows")
	}
	ca, clock := newTestCA(t, "ca"), &testClock{}
	dir := t.TempDir()
	for _, name := range []string{"v1", "v2"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		files := pairFiles{filepath.Join(dir, name, "tls.crt"), filepath.Join(dir, name, "tls.key")}
		files.replace(t, ca.issue(t, name))
	}
	require.NoError(t, os.Symlink("v1", filepath.Join(dir, "..data")))
	for _, name := range []string{"tls.crt", "tls.key"} {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	pair, err := reload.Loader{Log: quiet(), Now: clock.now}.KeyPairFiles(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	require.NoError(t, err)
	require.Equal(t, "v1", pair.Get().Leaf.Subject.CommonName)

	require.NoError(t, os.Symlink("v2", filepath.Join(dir, "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	clock.advance(reload.Interval)
	assert.Equal(t, "v2", pair.Get().Leaf.Subject.CommonName)
}

func TestFilesWrittenInPlaceWithTheSameSizeAndTimeAreNoticed(t *testing.T) {
	t.Parallel()
	ca, clock := newTestCA(t, "ca"), &testClock{}
	other := newTestCA(t, "ca")
	for len(other.pem) != len(ca.pem) { // signatures differ by a byte or two
		other = newTestCA(t, "ca")
	}
	name := newFile(t, ca.pem)
	info, err := os.Stat(name)
	require.NoError(t, err)
	pool, err := reload.Loader{Log: quiet(), Now: clock.now}.Authorities("", nil, "ClientCAFile", name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, other.pem, 0o600))
	require.NoError(t, os.Chtimes(name, info.ModTime(), info.ModTime()))
	clock.advance(reload.Interval)
	assert.True(t, pool.Get().Certs[0].Equal(other.cert))
}

func TestBrokenNewFilesKeepTheOldCertificateAndAreLoggedOncePerChange(t *testing.T) {
	t.Parallel()
	ca, clock := newTestCA(t, "ca"), &testClock{}
	log, lines := newLogLines()
	files := newPairFiles(t, ca.issue(t, "good"))
	pair, err := reload.Loader{Log: log, Now: clock.now}.KeyPairFiles(files.cert, files.key)
	require.NoError(t, err)
	good := pair.Get()
	goodPEM, _ := pemOf(t, *good)
	strangerPEM, _ := pemOf(t, ca.issue(t, "stranger"))

	logged := 0
	for _, broken := range [][]byte{nil, goodPEM[:len(goodPEM)/2], strangerPEM, []byte("garbage")} {
		replaceFile(t, files.cert, broken)
		logged++
		for range 3 {
			clock.advance(reload.Interval)
			assert.Same(t, good, pair.Get())
		}
		assert.Len(t, lines.with("cannot use the changed files"), logged)
	}
	require.NoError(t, os.Remove(files.cert))
	for range 3 {
		clock.advance(reload.Interval)
		assert.Same(t, good, pair.Get())
	}
	assert.Len(t, lines.with("cannot use the changed files"), logged+1)

	files.replace(t, ca.issue(t, "better"))
	clock.advance(reload.Interval)
	assert.Equal(t, "better", pair.Get().Leaf.Subject.CommonName)
}

func TestCertificateThatEndsIsWarnedAboutOnceBeforeAndOnceAfter(t *testing.T) {
	t.Parallel()
	ca, clock := newTestCA(t, "ca"), &testClock{}
	log, lines := newLogLines()
	files := newPairFiles(t, ca.issue(t, "node", lasting(48*time.Hour)))
	pair, err := reload.Loader{Log: log, Now: clock.now}.KeyPairFiles(files.cert, files.key)
	require.NoError(t, err)
	assert.Empty(t, lines.with("level=WARN"))

	look := func(d time.Duration) {
		clock.advance(d)
		for range 3 {
			clock.advance(reload.Interval)
			pair.Get()
		}
	}
	look(40 * time.Hour)
	assert.Len(t, lines.with("expires soon"), 1)
	assert.Len(t, lines.with("level=WARN"), 1)
	look(10 * time.Hour)
	assert.Len(t, lines.with("has expired"), 1)
	assert.Len(t, lines.with("level=WARN"), 2)
	assert.Contains(t, lines.with("has expired")[0], pair.Get().Leaf.NotAfter.UTC().Format("2006-01-02"))

	// One that lives for a day is not always about to expire.
	lines.lines = nil
	files.replace(t, ca.issue(t, "short", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = clock.now(), clock.now().Add(24*time.Hour)
	}))
	look(0)
	assert.Equal(t, "short", pair.Get().Leaf.Subject.CommonName)
	assert.Empty(t, lines.with("level=WARN"))
}

func TestCertificateThatHasExpiredAlreadyIsLoadedWithAWarning(t *testing.T) {
	t.Parallel()
	log, lines := newLogLines()
	cert := newTestCA(t, "ca").issue(t, "late", lasting(-time.Minute))
	_, err := reload.Loader{Log: log, Now: time.Now}.KeyPair(&cert)
	require.NoError(t, err)
	assert.Len(t, lines.with("has expired"), 1)
}

func TestAuthoritiesThatHaveAllExpiredAreWarnedAbout(t *testing.T) {
	t.Parallel()
	log, lines := newLogLines()
	expired, valid := newTestCA(t, "expired", lasting(-time.Minute)), newTestCA(t, "valid")
	load := reload.Loader{Log: log, Now: time.Now}
	_, err := load.Authorities("PeerCACert", slices.Concat(expired.pem, valid.pem), "", "")
	require.NoError(t, err)
	assert.Empty(t, lines.with("level=WARN"), "bundles hold expired ones")
	_, err = load.Authorities("PeerCACert", expired.pem, "", "")
	require.NoError(t, err)
	assert.Len(t, lines.with("authorities have expired"), 1)
}

func TestErrorsOfKeyPairFilesSayWhichFileIsWrongAndHow(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	certPEM, keyPEM := pemOf(t, ca.issue(t, "node"))
	_, otherKey := pemOf(t, ca.issue(t, "other"))
	block, _ := pem.Decode(keyPEM)
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: block.Bytes})
	dekInfo := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: block.Bytes})
	wrong := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("no key")})
	indented := bytes.ReplaceAll(certPEM, []byte("\n"), []byte("\n  "))

	for want, pair := range map[string][2][]byte{
		"node.pem\" holds no PEM certificate":                 {nil, keyPEM},
		"node.pem\" holds a private key and no certificate":   {keyPEM, certPEM},
		"node.pem\" is damaged in PEM block 1":                {certPEM[:len(certPEM)-10], keyPEM},
		"node.pem\" is damaged in PEM block 1: it":            {indented, keyPEM},
		"node.pem\" has no valid certificate in block 2":      {append(bytes.Clone(certPEM), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})...), keyPEM},
		"node.key\" holds no PEM private key":                 {certPEM, []byte("nothing")},
		"node.key\" holds a certificate and no private key":   {certPEM, certPEM},
		"node.key\" is encrypted with a passphrase":           {certPEM, encrypted},
		"node.key\" is encrypted with a passphrase, and":      {certPEM, dekInfo},
		"node.key\" cannot be used with the first cert":       {certPEM, otherKey},
		"private key does not match public key":               {certPEM, otherKey},
		"failed to parse private key":                         {certPEM, wrong},
		"node.key\" is damaged in PEM block 1: it is cut sho": {certPEM, keyPEM[:40]},
	} {
		files := newPairFiles(t, ca.issue(t, "node"))
		replaceFile(t, files.cert, pair[0])
		replaceFile(t, files.key, pair[1])
		_, err := reload.Loader{Log: quiet(), Now: time.Now}.KeyPairFiles(files.cert, files.key)
		require.ErrorContains(t, err, want)
	}

	files := newPairFiles(t, ca.issue(t, "node"))
	load := reload.Loader{Log: quiet(), Now: time.Now}
	_, err := load.KeyPairFiles(files.cert+".missing", files.key)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, `node.pem.missing": `)
	require.ErrorContains(t, err, "; name a file in PEM format that this process may read")
	_, err = load.KeyPairFiles(files.cert, t.TempDir())
	require.ErrorContains(t, err, "is not a regular file")
	_, err = load.KeyPairFiles(files.cert, newFile(t, make([]byte, 1<<20+1)))
	require.ErrorContains(t, err, "so it is something else")
}

func TestCertificateAndKeyMayBeInOneFile(t *testing.T) {
	t.Parallel()
	certPEM, keyPEM := pemOf(t, newTestCA(t, "ca").issue(t, "node"))
	name := newFile(t, slices.Concat([]byte("# a comment\n"), keyPEM, certPEM))
	pair, err := reload.Loader{Log: quiet(), Now: time.Now}.KeyPairFiles(name, name)
	require.NoError(t, err)
	assert.Equal(t, "node", pair.Get().Leaf.Subject.CommonName)
}

func TestBundleWithOneDamagedAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	a, b, c := newTestCA(t, "a"), newTestCA(t, "b"), newTestCA(t, "c")
	bundle := slices.Concat([]byte("a:\n"), a.pem, []byte("\nb:\n"), b.pem, c.pem)
	load := reload.Loader{Log: quiet(), Now: time.Now}
	good, err := load.Authorities("PeerCACert", bundle, "", "")
	require.NoError(t, err)
	assert.Len(t, good.Get().Certs, 3)

	_, keyPEM := pemOf(t, b.issue(t, "node"))
	for want, second := range map[string][]byte{
		"is damaged in PEM block 2":             bytes.Replace(b.pem, []byte("\nMII"), []byte("\n!II"), 1),
		"is damaged in PEM block 2: it is cut":  b.pem[:len(b.pem)/2],
		"has no valid certificate in block 2":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.cert.Raw[1:]}),
		"has a X509 CRL in block 2":             pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: b.cert.Raw}),
		"holds a private key in block 2: give ": keyPEM,
	} {
		damaged := slices.Concat(a.pem, second, []byte("\n"), c.pem)
		_, err := load.Authorities("PeerCACert", damaged, "", "")
		require.ErrorContains(t, err, "PeerCACert "+want)
		_, err = load.Authorities("PeerCACert", nil, "PeerCAFile", newFile(t, damaged))
		require.ErrorContains(t, err, "PeerCAFile: ")
		require.ErrorContains(t, err, want)
	}
	for _, empty := range [][]byte{[]byte(" "), []byte("no certificate")} {
		_, err = load.Authorities("PeerCACert", empty, "", "")
		require.EqualError(t, err, "PeerCACert holds no PEM certificate")
	}
}

func TestAuthoritiesInMemoryAndInAFileAreBothTrusted(t *testing.T) {
	t.Parallel()
	a, b, c, clock := newTestCA(t, "a"), newTestCA(t, "b"), newTestCA(t, "c"), &testClock{}
	name := newFile(t, b.pem)
	pool, err := reload.Loader{Log: quiet(), Now: clock.now}.Authorities("PeerCACert", a.pem, "PeerCAFile", name)
	require.NoError(t, err)
	trusts := func(ca *testCA) bool {
		_, err := ca.issue(t, "node").Leaf.Verify(x509.VerifyOptions{Roots: pool.Get().Pool})
		return err == nil
	}
	assert.True(t, trusts(a) && trusts(b))
	replaceFile(t, name, c.pem)
	clock.advance(reload.Interval)
	assert.True(t, trusts(a) && trusts(c))
	assert.False(t, trusts(b))
}

func TestCertificateInMemoryIsChecked(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	cert, other := ca.issue(t, "node"), ca.issue(t, "other")
	for want, broken := range map[string]tls.Certificate{
		"needs a certificate and its private key":  {Certificate: cert.Certificate},
		"needs a certificate and its private key:": {PrivateKey: cert.PrivateKey},
		"is no valid certificate":                  {Certificate: [][]byte{{1}}, PrivateKey: cert.PrivateKey},
		"has a private key that does not belong":   {Certificate: cert.Certificate, PrivateKey: other.PrivateKey},
	} {
		_, err := reload.Loader{Log: quiet(), Now: time.Now}.KeyPair(&broken)
		require.ErrorContains(t, err, want)
	}
}
