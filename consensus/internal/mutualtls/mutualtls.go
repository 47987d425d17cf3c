// Package mutualtls says which TLS configurations make both sides of a connection prove who they are.
package mutualtls

import (
	"crypto/tls"
	"errors"
)

// Check refuses what would leave a side unauthenticated, or let in whoever holds a certificate of a public authority. Nil is
// no TLS, and is not refused.
func Check(c *tls.Config) error {
	switch {
	case c == nil:
		return nil
	case len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil:
		return errors.New("the TLS configuration has no certificate to show to nodes that connect (Certificates or GetCertificate)")
	case len(c.Certificates) == 0 && c.GetClientCertificate == nil:
		return errors.New("the TLS configuration has no certificate to show to nodes it connects to (Certificates or GetClientCertificate)")
	case c.InsecureSkipVerify && c.VerifyConnection == nil && c.VerifyPeerCertificate == nil:
		return errors.New("the TLS configuration has InsecureSkipVerify set: nodes would talk to anybody")
	case c.ClientCAs == nil && c.GetConfigForClient == nil:
		return errors.New("the TLS configuration does not say which authorities sign the nodes' certificates (ClientCAs)")
	case c.RootCAs == nil && c.VerifyConnection == nil && c.VerifyPeerCertificate == nil:
		return errors.New("the TLS configuration does not say which authorities sign the nodes' certificates (RootCAs)")
	default:
		return nil
	}
}
