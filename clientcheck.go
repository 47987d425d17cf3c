package s3lect

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// clientCheck remembers for one connection until when its client's certificate is known to be good,
// and against which authorities. A connection can outlive both.
type clientCheck struct {
	mu      sync.Mutex
	against *authorities
	until   time.Time
}

type clientCheckKey struct{}

// withClientCheck is the ConnContext hook.
func withClientCheck(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, clientCheckKey{}, &clientCheck{})
}

// checkClient verifies the client's certificate once more, if anything has changed since that was
// last done. Where no client certificates are required, there is nothing to check.
func (h *HealthServer) checkClient(req *http.Request) error {
	if h.clients == nil {
		return nil
	}
	check, ok := req.Context().Value(clientCheckKey{}).(*clientCheck)
	if !ok || req.TLS == nil || len(req.TLS.PeerCertificates) == 0 || len(req.TLS.VerifiedChains) == 0 {
		return errors.New("client didn't provide a certificate")
	}
	return check.verify(req.TLS.PeerCertificates, h.clients.get(), h.now())
}

func (c *clientCheck) verify(certs []*x509.Certificate, against *authorities, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.against == against && now.Before(c.until) {
		return nil
	}
	options := x509.VerifyOptions{
		Roots:         against.pool,
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
	c.against, c.until = against, chainsEnd(chains)
	return nil
}
