package reload

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// expiryNotice is told before the end of a certificate, if its lifetime is long enough.
const expiryNotice = 24 * time.Hour

// pemFormat is what files with certificates and keys must be.
const pemFormat = "a file in PEM format"

// KeyPair is a certificate that is in memory already.
func (l Loader) KeyPair(cert *tls.Certificate) (*Value[*tls.Certificate], error) {
	checked, err := checkKeyPair(cert)
	if err != nil {
		return nil, err
	}
	return Load(l, Source[*tls.Certificate]{
		Parse:   func([][]byte) (*tls.Certificate, error) { return checked, nil },
		Inspect: l.expiry(""),
	})
}

// KeyPairFiles is a certificate with its chain, and its key, from two files, which may be one.
func (l Loader) KeyPairFiles(certFile, keyFile string) (*Value[*tls.Certificate], error) {
	return Load(l, Source[*tls.Certificate]{
		Names:  []string{certFile, keyFile},
		Format: pemFormat,
		Parse: func(contents [][]byte) (*tls.Certificate, error) {
			return parseKeyPair(certFile, contents[0], keyFile, contents[1])
		},
		Inspect: l.expiry(certFile),
	})
}

// Authorities are certificates against which those of others are verified.
type Authorities struct {
	Pool  *x509.CertPool
	Certs []*x509.Certificate
}

// Authorities are those in the PEM text together with those in the file; either may be missing. An
// error begins with the name of the field of text or file.
func (l Loader) Authorities(textField string, text []byte, fileField, file string) (*Value[*Authorities], error) {
	var inMemory []*x509.Certificate
	if len(text) > 0 {
		var err error
		if inMemory, err = parseAuthorities(text); err != nil {
			return nil, fmt.Errorf("%s %w", textField, err)
		}
	}
	source := Source[*Authorities]{
		Format: pemFormat,
		Parse: func(contents [][]byte) (*Authorities, error) {
			a := &Authorities{Pool: x509.NewCertPool(), Certs: inMemory[:len(inMemory):len(inMemory)]}
			for _, data := range contents {
				certs, err := parseAuthorities(data)
				if err != nil {
					return nil, fmt.Errorf("%q %w", file, err)
				}
				a.Certs = append(a.Certs, certs...)
			}
			for _, cert := range a.Certs {
				a.Pool.AddCert(cert)
			}
			return a, nil
		},
		Inspect: l.expiredAuthorities(file),
	}
	if file != "" {
		source.Names = []string{file}
	}
	v, err := Load(l, source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileField, err)
	}
	return v, nil
}

// expiry returns a function that warns once when a certificate is about to expire, and once when it
// has.
func (l Loader) expiry(file string) func(*tls.Certificate, time.Time) {
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
		log := l.Log.With("subject", leaf.Subject.String(), "expires", leaf.NotAfter, "file", file)
		if expired {
			log.Warn("the certificate has expired, so others refuse it: replace it")
		} else {
			log.Warn("the certificate expires soon: replace it")
		}
	}
}

// expiredAuthorities returns a function that warns once of each pool in which nothing is valid any
// more. Single expired authorities are usual in the bundles of operating systems.
func (l Loader) expiredAuthorities(file string) func(*Authorities, time.Time) {
	var warned *Authorities
	return func(a *Authorities, now time.Time) {
		last := a.Certs[0]
		for _, cert := range a.Certs {
			if cert.NotAfter.After(last.NotAfter) {
				last = cert
			}
		}
		if warned == a || last.NotAfter.After(now) {
			return
		}
		warned = a
		l.Log.Warn("the certificate authorities have expired, so nobody's certificate is accepted: replace them",
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
