package reload

import (
	"crypto/x509"
	"errors"
	"sync"
	"time"
)

// ClientCheck remembers for one connection until when its client's certificate is known to be good,
// and against which authorities. A connection can outlive both. It is safe for concurrent use.
type ClientCheck struct {
	mu      sync.Mutex
	against *Authorities
	until   time.Time
}

// Verify verifies the client's certificate, the first one, once more if anything has changed since
// that was last done.
func (c *ClientCheck) Verify(certs []*x509.Certificate, against *Authorities, now time.Time) error {
	if len(certs) == 0 {
		return errors.New("client didn't provide a certificate")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.against == against && now.Before(c.until) {
		return nil
	}
	options := x509.VerifyOptions{
		Roots:         against.Pool,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, cert := range certs[1:] {
		options.Intermediates.AddCert(cert)
	}
	chains, err := certs[0].Verify(options)
	if err != nil {
		return err
	}
	c.against, c.until = against, ChainsEnd(chains)
	return nil
}

// ChainsEnd returns when the last of the chains expires.
func ChainsEnd(chains [][]*x509.Certificate) (end time.Time) {
	for _, chain := range chains {
		last := chain[0].NotAfter
		for _, cert := range chain {
			if cert.NotAfter.Before(last) {
				last = cert.NotAfter
			}
		}
		if last.After(end) {
			end = last
		}
	}
	return end
}
