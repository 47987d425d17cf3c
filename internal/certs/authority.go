package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// backdate is how far clocks that run late may be off.
const backdate = 10 * time.Minute

// authority signs certificates.
type authority struct {
	pair Pair
	cert *x509.Certificate
	key  crypto.Signer
}

// openAuthority loads the authority, or makes one where there is none.
func (o *Options) openAuthority() (*authority, error) {
	certFile := filepath.Join(o.Dir, authorityName+certSuffix)
	keyFile := filepath.Join(o.Dir, authorityName+keySuffix)
	certPEM, certErr := os.ReadFile(certFile)
	keyPEM, keyErr := os.ReadFile(keyFile)
	noCert, noKey := errors.Is(certErr, fs.ErrNotExist), errors.Is(keyErr, fs.ErrNotExist)
	switch {
	case noCert && noKey:
		return o.newAuthority()
	case noKey:
		return nil, fmt.Errorf("%s: its key %s is not there, and nothing can be signed without: work where the authority was made, or name another directory", certFile, keyFile)
	case noCert:
		return nil, fmt.Errorf("%s: its certificate %s is not there: put it back, or name another directory", keyFile, certFile)
	case certErr != nil:
		return nil, fmt.Errorf("read the certificate authority: %w", certErr)
	case keyErr != nil:
		return nil, fmt.Errorf("read the certificate authority's key: %w", keyErr)
	}
	ca, err := parseAuthority(certPEM, keyPEM, o.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: cannot sign with this certificate authority: %w", certFile, err)
	}
	ca.pair = pairIn(o.Dir, authorityName, ca.cert)
	return ca, nil
}

func parseAuthority(certPEM, keyPEM []byte, now time.Time) (*authority, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	switch {
	case !ok:
		return nil, fmt.Errorf("its key cannot sign")
	case !cert.IsCA || cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, fmt.Errorf("it is not one: its certificate may not sign others")
	case now.After(cert.NotAfter):
		return nil, fmt.Errorf("it expired on %s: make another one, in another directory", moment(cert.NotAfter))
	case now.Before(cert.NotBefore):
		return nil, fmt.Errorf("it is not valid before %s: is the clock right?", moment(cert.NotBefore))
	}
	return &authority{cert: cert, key: key}, nil
}

func moment(t time.Time) string { return t.UTC().Format(time.DateTime + " MST") }

func (o *Options) newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the certificate authority's key: %w", err)
	}
	serial := newSerial()
	now := o.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		// Two authorities with one name would be taken for one another.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("s3lect CA %032x", serial)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(o.CALifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true, // it signs nodes, and no other authorities
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate authority: %w", err)
	}
	ca := &authority{pair: pairIn(o.Dir, authorityName, cert), cert: cert, key: key}
	ca.pair.Made = true
	return ca, nil
}

// issue makes the certificate of a node, for serving and for asking.
func (o *Options) issue(ca *authority, name string, all *files) (Node, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Node{}, fmt.Errorf("make the key of %s: %w", name, err)
	}
	now := o.Now()
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             latest(now.Add(-backdate), ca.cert.NotBefore),
		NotAfter:              now.Add(o.Lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	shortened := template.NotAfter.After(ca.cert.NotAfter)
	if shortened {
		template.NotAfter = ca.cert.NotAfter
	}
	hosts := o.hosts(name)
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	cert, err := sign(template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return Node{}, fmt.Errorf("make the certificate of %s: %w", name, err)
	}
	node := Node{Name: name, Pair: pairIn(o.Out, name, cert)}
	node.Made, node.Hosts, node.Shortened = true, hosts, shortened
	return node, all.add(node.Pair, cert, key)
}

// hosts are those that the certificate of a node is good for, each of them once.
func (o *Options) hosts(name string) []string {
	hosts := []string{name}
	for _, host := range o.Hosts {
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial returns a random number of 128 bits.
func newSerial() *big.Int {
	var octets [16]byte
	rand.Read(octets[:]) // never fails: it ends the program instead
	return new(big.Int).SetBytes(octets[:])
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
