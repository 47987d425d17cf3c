package endpoint

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/mutualtls"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

const (
	defaultTimeout    = 10 * time.Second
	defaultMaxMessage = 64 << 20
	maxName           = 255
)

// Check fills in what is missing and refuses what cannot work.
func Check(c transport.Config) (transport.Config, error) {
	if err := checkName("ClusterID", c.ClusterID); err != nil {
		return c, err
	}
	if err := checkName("NodeID", c.NodeID); err != nil {
		return c, err
	}
	if c.Timeout < 0 || c.MaxMessage < 0 {
		return c, fmt.Errorf("transport: Timeout (%v) and MaxMessage (%d) must not be negative", c.Timeout, c.MaxMessage)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = defaultMaxMessage
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if err := mutualtls.Check(c.TLS); err != nil {
		return c, fmt.Errorf("transport: %w", err)
	}
	return c, nil
}

func checkName(field, name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("transport: %s must have 1 to %d bytes, it has %d", field, maxName, len(name))
	}
	return nil
}

// ServerTLS returns the configuration for connections that come in: the given one, with certificates demanded and
// verified. The protocols are those of ALPN, if there are any.
func ServerTLS(c *tls.Config, protocols ...string) *tls.Config {
	c = c.Clone()
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.NextProtos = protocols
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if choose := c.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			chosen = chosen.Clone()
			chosen.GetConfigForClient = nil
			if err := mutualtls.Check(chosen); err != nil {
				return nil, err
			}
			return ServerTLS(chosen, protocols...), nil
		}
	}
	return c
}

// ClientTLS returns the configuration for a connection to the address, whose host the peer's certificate must
// name unless the given one names another.
func ClientTLS(c *tls.Config, address string) *tls.Config {
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(address) // it has been dialed, so it can be split
	}
	if certificates := c.Certificates; c.GetClientCertificate == nil && len(certificates) > 0 {
		c.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return choose(certificates, request), nil
		}
	}
	return c
}

// choose returns the certificate to show to a server. If none is of an authority that the server has named, the
// first is shown anyway: the server then says what it has against it, and not that there was none.
func choose(certificates []tls.Certificate, request *tls.CertificateRequestInfo) *tls.Certificate {
	for i := range certificates {
		if request.SupportsCertificate(&certificates[i]) == nil {
			return &certificates[i]
		}
	}
	return &certificates[0]
}

// Advertised returns the host and port that other nodes are told: the configured one, or the one that was bound.
func Advertised(c transport.Config, bound net.Addr) (string, error) {
	if c.Advertise == "" {
		host, _, err := net.SplitHostPort(bound.String())
		if err != nil {
			return "", fmt.Errorf("transport: bound address %s: %w", bound, err)
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			return "", fmt.Errorf("transport: bind %s: other nodes cannot reach this address: set one to advertise, or bind one that they can reach", c.Bind)
		}
		return bound.String(), nil
	}
	host, port, err := net.SplitHostPort(c.Advertise)
	if err != nil {
		return "", fmt.Errorf("transport: address to advertise %q: %w", c.Advertise, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "", fmt.Errorf("transport: other nodes cannot reach the address to advertise, %s", c.Advertise)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 0 || number > 65535 {
		return "", fmt.Errorf("transport: address to advertise %q: the port must be a number up to 65535", c.Advertise)
	}
	if number == 0 {
		_, port, err = net.SplitHostPort(bound.String())
	}
	return net.JoinHostPort(host, port), err
}

// Listen binds the address and returns it with what other nodes are told.
func Listen(c transport.Config) (net.Listener, string, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", c.Bind)
	if err != nil {
		return nil, "", fmt.Errorf("transport: bind %s: %w", c.Bind, err)
	}
	advertised, err := Advertised(c, listener.Addr())
	if err != nil {
		_ = listener.Close()
		return nil, "", err
	}
	return listener, advertised, nil
}
