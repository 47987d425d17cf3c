package s3lect

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	reloadInterval = time.Second    // between two looks at the same files
	expiryNotice   = 24 * time.Hour // before the end of a certificate, if its lifetime is long enough
	maxPEMFile     = 1 << 20        // bytes
)

// certificateLoader makes certificates and pools of authorities from memory and from files.
type certificateLoader struct {
	log *slog.Logger
	now func() time.Time
}

// reloading is a value made from files, and made again when they hold something else. What the
// files hold is compared, not their times: so it does not matter whether they are written in place,
// renamed, or behind a symbolic link that is swapped, nor how coarse the clock of the file system is.
type reloading[T any] struct {
	certificateLoader

	names   []string // of the files; none: the value never changes
	parse   func(contents [][]byte) (T, error)
	inspect func(value T, now time.Time) // at most once per reloadInterval, one at a time

	value atomic.Pointer[T]

	// looking is held by whoever looks at the files. Nobody waits for it, so that a file system that
	// hangs holds up one caller and not all of them. It guards what follows.
	looking sync.Mutex
	looked  time.Time
	seen    [sha256.Size]byte // what the files held when they were last looked at
}

// load makes the first value.
func (r *reloading[T]) load() error {
	contents, seen, err := readFiles(r.names)
	if err != nil {
		return err
	}
	value, err := r.parse(contents)
	if err != nil {
		return err
	}
	r.value.Store(&value)
	r.looked, r.seen = r.now(), seen
	r.inspect(value, r.looked)
	return nil
}

// get returns the present value. While the files hold something broken, that is the value before.
func (r *reloading[T]) get() T {
	if r.looking.TryLock() {
		r.look()
		r.looking.Unlock()
	}
	return *r.value.Load()
}

func (r *reloading[T]) look() {
	now := r.now()
	if passed := now.Sub(r.looked); passed >= 0 && passed < reloadInterval {
		return
	}
	r.looked = now
	if len(r.names) > 0 {
		r.reload()
	}
	r.inspect(*r.value.Load(), now)
}

func (r *reloading[T]) reload() {
	contents, seen, err := readFiles(r.names)
	if seen == r.seen {
		return
	}
	r.seen = seen
	if err == nil {
		var value T
		if value, err = r.parse(contents); err == nil {
			r.value.Store(&value)
			r.log.Info("loaded changed certificate files", "files", r.names)
			return
		}
	}
	r.log.Warn("cannot use the changed certificate files; what was loaded before stays in use", "files", r.names, "error", err)
}

// readFiles returns what the files hold, and a digest of it or of the error.
func readFiles(names []string) (contents [][]byte, digest [sha256.Size]byte, err error) {
	hash := sha256.New()
	for _, name := range names {
		data, err := readPEMFile(name)
		if err != nil {
			return nil, sha256.Sum256([]byte(err.Error())), err
		}
		fmt.Fprintf(hash, "%d ", len(data))
		hash.Write(data)
		contents = append(contents, data)
	}
	return contents, [sha256.Size]byte(hash.Sum(nil)), nil
}

func readPEMFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe could hang, and it could not be read again
		return nil, fmt.Errorf("%q is not a regular file; name a file in PEM format", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPEMFile+1))
	switch {
	case err != nil:
		return nil, unreadable(name, err)
	case len(data) > maxPEMFile:
		return nil, fmt.Errorf("%q has more than %d bytes, so it is something else; name a file in PEM format", name, maxPEMFile)
	}
	return data, nil
}

func unreadable(name string, err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err // the name is told already
	}
	return fmt.Errorf("cannot read %q: %w; name a file in PEM format that this process may read", name, err)
}

// keyPair is a certificate that is in memory already.
func (l certificateLoader) keyPair(cert *tls.Certificate) (*reloading[*tls.Certificate], error) {
	checked, err := checkKeyPair(cert)
	if err != nil {
		return nil, err
	}
	r := &reloading[*tls.Certificate]{
		certificateLoader: l,
		parse:             func([][]byte) (*tls.Certificate, error) { return checked, nil },
		inspect:           l.expiry(""),
	}
	err = r.load()
	return r, err
}

// keyPairFiles is a certificate with its chain, and its key, from two files, which may be one.
func (l certificateLoader) keyPairFiles(certFile, keyFile string) (*reloading[*tls.Certificate], error) {
	r := &reloading[*tls.Certificate]{
		certificateLoader: l,
		names:             []string{certFile, keyFile},
		parse: func(contents [][]byte) (*tls.Certificate, error) {
			return parseKeyPair(certFile, contents[0], keyFile, contents[1])
		},
		inspect: l.expiry(certFile),
	}
	err := r.load()
	return r, err
}

// authorities are certificates against which those of others are verified.
type authorities struct {
	pool  *x509.CertPool
	certs []*x509.Certificate
}

// authorities are those in the PEM text together with those in the file; either may be missing. An
// error begins with the name of the field of text or file.
func (l certificateLoader) authorities(textField string, text []byte, fileField, file string) (*reloading[*authorities], error) {
	var inMemory []*x509.Certificate
	if len(text) > 0 {
		var err error
		if inMemory, err = parseAuthorities(text); err != nil {
			return nil, fmt.Errorf("%s %w", textField, err)
		}
	}
	r := &reloading[*authorities]{
		certificateLoader: l,
		parse: func(contents [][]byte) (*authorities, error) {
			a := &authorities{pool: x509.NewCertPool(), certs: inMemory[:len(inMemory):len(inMemory)]}
			for _, data := range contents {
				certs, err := parseAuthorities(data)
				if err != nil {
					return nil, fmt.Errorf("%q %w", file, err)
				}
				a.certs = append(a.certs, certs...)
			}
			for _, cert := range a.certs {
				a.pool.AddCert(cert)
			}
			return a, nil
		},
		inspect: l.expiredAuthorities(file),
	}
	if file != "" {
		r.names = []string{file}
	}
	if err := r.load(); err != nil {
		return nil, fmt.Errorf("%s: %w", fileField, err)
	}
	return r, nil
}

// expiry returns a function that warns once when a certificate is about to expire, and once when it
// has.
func (l certificateLoader) expiry(file string) func(*tls.Certificate, time.Time) {
	var warned *tls.Certificate
	var asExpired bool
	return func(cert *tls.Certificate, now time.Time) {
		leaf := cert.Leaf
		left := leaf.NotAfter.Sub(now)
		// One that is made for a day or less is always about to expire.
		notice := min(expiryNotice, leaf.NotAfter.Sub(leaf.NotBefore)/4)
		expired := left < 0
		if left > notice || warned == cert && (asExpired || !expired) {
			return
		}
		warned, asExpired = cert, expired
		log := l.log.With("subject", leaf.Subject.String(), "expires", leaf.NotAfter, "file", file)
		if expired {
			log.Warn("the certificate has expired, so others refuse it: replace it")
		} else {
			log.Warn("the certificate expires soon: replace it")
		}
	}
}

// expiredAuthorities returns a function that warns once of each pool in which nothing is valid any
// more. Single expired authorities are usual in the bundles of operating systems.
func (l certificateLoader) expiredAuthorities(file string) func(*authorities, time.Time) {
	var warned *authorities
	return func(a *authorities, now time.Time) {
		last := a.certs[0]
		for _, cert := range a.certs {
			if cert.NotAfter.After(last.NotAfter) {
				last = cert
			}
		}
		if warned == a || last.NotAfter.After(now) {
			return
		}
		warned = a
		l.log.Warn("the certificate authorities have expired, so nobody's certificate is accepted: replace them",
			"subject", last.Subject.String(), "expired", last.NotAfter, "file", file)
	}
}

// parseKeyPair is tls.X509KeyPair with errors that say which file is wrong and how.
func parseKeyPair(certFile string, certPEM []byte, keyFile string, keyPEM []byte) (*tls.Certificate, error) {
	certs, keys, err := sortBlocks(certPEM)
	switch {
	case err != nil:
		return nil, fmt.Errorf("certificate file %q %w", certFile, err)
	case len(certs) == 0 && len(keys) > 0:
		return nil, fmt.Errorf("certificate file %q holds a private key and no certificate: perhaps the two files are swapped", certFile)
	case len(certs) == 0:
		return nil, fmt.Errorf("certificate file %q holds no PEM certificate", certFile)
	}
	certs, keys, err = sortBlocks(keyPEM)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key file %q %w", keyFile, err)
	case len(keys) == 0 && len(certs) > 0:
		return nil, fmt.Errorf("key file %q holds a certificate and no private key: perhaps the two files are swapped", keyFile)
	case len(keys) == 0:
		return nil, fmt.Errorf("key file %q holds no PEM private key", keyFile)
	case keys[0].Type == "ENCRYPTED PRIVATE KEY" || keys[0].Headers["DEK-Info"] != "":
		return nil, fmt.Errorf("key file %q is encrypted with a passphrase, and nobody is there to type it: store the key without one", keyFile)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("the key in %q cannot be used with the first certificate in %q: %w", keyFile, certFile, err)
	}
	return &pair, nil
}

// checkKeyPair reports what would otherwise only show in the first handshake. It returns a copy of
// the certificate with its leaf filled in.
func checkKeyPair(cert *tls.Certificate) (*tls.Certificate, error) {
	if len(cert.Certificate) == 0 || cert.PrivateKey == nil {
		return nil, errors.New("needs a certificate and its private key: load them with tls.LoadX509KeyPair")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("is no valid certificate: %w", err)
	}
	if key, ok := cert.PrivateKey.(crypto.Signer); ok {
		public, ok := leaf.PublicKey.(interface {
			Equal(other crypto.PublicKey) bool
		})
		if ok && !public.Equal(key.Public()) {
			return nil, errors.New("has a private key that does not belong to its first certificate")
		}
	}
	checked := *cert
	checked.Leaf = leaf
	return &checked, nil
}

// parseAuthorities is x509.CertPool.AppendCertsFromPEM, except that it reports what it cannot use:
// an authority that is silently left out shows much later, as a peer that is not believed.
func parseAuthorities(text []byte) ([]*x509.Certificate, error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, err
	}
	if len(blocks) == 0 {
		return nil, errors.New("holds no PEM certificate")
	}
	certs := make([]*x509.Certificate, len(blocks))
	for i, block := range blocks {
		if isPrivateKey(block) {
			return nil, fmt.Errorf("holds a private key in block %d: give the certificates of the authorities alone", i+1)
		}
		if certs[i], err = parseCertificate(i, block); err != nil {
			return nil, err
		}
	}
	return certs, nil
}

// sortBlocks returns the certificates, checked, and the private keys of a PEM text.
func sortBlocks(text []byte) (certs, keys []*pem.Block, err error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, nil, err
	}
	for i, block := range blocks {
		switch {
		case isPrivateKey(block):
			keys = append(keys, block)
		case block.Type == "CERTIFICATE":
			if _, err := parseCertificate(i, block); err != nil {
				return nil, nil, err
			}
			certs = append(certs, block)
		}
	}
	return certs, keys, nil
}

func isPrivateKey(block *pem.Block) bool { return strings.HasSuffix(block.Type, "PRIVATE KEY") }

func parseCertificate(i int, block *pem.Block) (*x509.Certificate, error) {
	if block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("has a %s in block %d, where a certificate should be", block.Type, i+1)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("has no valid certificate in block %d: %w", i+1, err)
	}
	return cert, nil
}

// pemBlocks returns all blocks of a PEM text. Where pem.Decode skips a damaged one, it is an error.
func pemBlocks(text []byte) ([]*pem.Block, error) {
	begin := []byte("-----BEGIN ")
	var blocks []*pem.Block
	_, text, found := bytes.Cut(text, begin)
	for found {
		var body []byte
		body, text, found = bytes.Cut(text, begin)
		block, _ := pem.Decode(append(begin[:len(begin):len(begin)], body...))
		if block == nil {
			return nil, fmt.Errorf("is damaged in PEM block %d: it is cut short, indented or mistyped", len(blocks)+1)
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}
