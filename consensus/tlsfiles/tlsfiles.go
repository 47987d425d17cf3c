// Package tlsfiles makes of three files in PEM what a node needs for mutual TLS:
//
//	config, err := tlsfiles.Load("node.crt", "node.key", "ca.crt", logger)
//	...
//	node, err := consensus.New(consensus.WithTLS(config), ...)
//
// The certificate must be signed by an authority of the third file, and for both directions: a node shows it to those that
// connect to it and to those that it connects to (extended key usage serverAuth and clientAuth, or none). It must name
// the host, by DNS name or IP address, under which the others reach the node.
//
// A certificate that is renewed in its files is used for new connections, within a second and without a restart. Connections that are
// open go on. Files that cannot be used, such as a certificate whose key has not been written yet, are
// logged and leave the last one in use. The authorities are read once: to change them, put the old and the new ones
// into the file, restart the nodes one after the other, renew the certificates, and take the old ones out in the same
// way. A resumed session would skip all of that, so there are none.
package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often the files are looked at, at the most.
const lookEvery = time.Second

// Load reads a node's certificate and key and the authorities that sign the certificates of all nodes. What cannot work is
// an error that names the file. The logger, slog.Default if it is nil, is told of renewals.
func Load(certFile, keyFile, caFile string, logger *slog.Logger) (*tls.Config, error) {
	if logger == nil {
		logger = slog.Default()
	}
	authorities, err := readAuthorities(caFile)
	if err != nil {
		return nil, err
	}
	f := &files{cert: certFile, key: keyFile, ca: caFile, authorities: authorities, logger: logger}
	if f.contents, err = f.read(); err != nil {
		return nil, err
	}
	if f.current, err = f.parse(f.contents); err != nil {
		return nil, err
	}
	f.looked = time.Now()
	return &tls.Config{
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.certificate(), nil },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.certificate(), nil },
		RootCAs:                authorities,
		ClientCAs:              authorities,
		ClientAuth:             tls.RequireAndVerifyClientCert,
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
	}, nil
}

func readAuthorities(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authorities' certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("read the authorities' certificates: %s holds none in PEM", file)
	}
	return pool, nil
}

// files are a certificate and its key on disk, and what was made of them.
type files struct {
	cert, key, ca string
	authorities   *x509.CertPool
	logger        *slog.Logger

	looking sync.Mutex // held by the one who looks at the files

	mu       sync.Mutex
	looked   time.Time
	contents contents // as last seen
	problem  string   // with them, which has been logged
	current  *tls.Certificate
}

// contents is what the files hold.
type contents struct{ cert, key []byte }

func (c contents) equal(other contents) bool {
	return bytes.Equal(c.cert, other.cert) && bytes.Equal(c.key, other.key)
}

// certificate returns the one to show now. One caller at a time looks whether there is a new one; the others do not wait for
// it, so that a file system that hangs holds up one connection.
func (f *files) certificate() *tls.Certificate {
	if f.due() && f.looking.TryLock() {
		defer f.looking.Unlock()
		f.look()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

func (f *files) due() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.looked) >= lookEvery
}

func (f *files) look() {
	found, err := f.read()
	f.mu.Lock()
	known, problem := f.contents, f.problem
	f.looked = time.Now()
	f.mu.Unlock()
	if err == nil && found.equal(known) {
		return
	}
	var renewed *tls.Certificate
	if err == nil {
		renewed, err = f.parse(found)
	}
	switch {
	case err != nil && err.Error() == problem:
		return
	case err != nil:
		f.logger.Error("cannot use the renewed certificate, the last one stays in use", slog.String("error", err.Error()))
	default:
		f.logger.Info("renewed the certificate", slog.String("file", f.cert), slog.Time("notAfter", renewed.Leaf.NotAfter))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.contents = found
	if err != nil {
		f.problem = err.Error()
		return
	}
	f.current, f.problem = renewed, ""
}

func (f *files) read() (c contents, err error) {
	if c.cert, err = os.ReadFile(f.cert); err != nil {
		return c, fmt.Errorf("read the certificate: %w", err)
	}
	if c.key, err = os.ReadFile(f.key); err != nil {
		return c, fmt.Errorf("read the key: %w", err)
	}
	return c, nil
}

func (f *files) parse(c contents) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s and key %s: %w", f.cert, f.key, err)
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return nil, fmt.Errorf("certificate %s: %w", f.cert, err)
	}
	intermediates := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			intermediates.AddCert(c)
		}
	}
	for usage, direction := range map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageServerAuth: "connections that come in (serverAuth)",
		x509.ExtKeyUsageClientAuth: "connections to other nodes (clientAuth)",
	} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{
			Roots: f.authorities, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return nil, f.explain(err, direction)
		}
	}
	return &pair, nil
}

func (f *files) explain(err error, direction string) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("certificate %s is not signed by an authority of %s: %w", f.cert, f.ca, err)
	}
	return fmt.Errorf("certificate %s is of no use for %s: %w", f.cert, direction, err)
}
