package grpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
)

// preface is what a client of HTTP/2 begins with.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The first byte of what TLS sends in a handshake, and in an alert.
const (
	tlsHandshake = 0x16
	tlsAlert     = 0x15
)

// unexpectedMessage is TLS's alert for a peer that does not speak TLS.
var unexpectedMessage = []byte{tlsAlert, 3, 1, 0, 2, 2, 10}

// inner returns what secures connections that come in.
func (e *node) inner() credentials.TransportCredentials {
	if e.config.TLS == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(endpoint.ServerTLS(e.config.TLS, "h2"))
}

// gatedListener hands over the connections that the gate lets in.
type gatedListener struct {
	net.Listener
	e *node
}

func (l gatedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if err := l.e.gate.Enter(c); err != nil {
			l.e.refuse(c.RemoteAddr(), err)
			continue
		}
		return &gatedConn{Conn: c, gate: l.e.gate}, nil
	}
}

// gatedConn leaves the gate when it is closed.
type gatedConn struct {
	net.Conn
	gate *endpoint.Gate
}

func (c *gatedConn) Close() error {
	c.gate.Leave(c.Conn)
	return c.Conn.Close()
}

// serverCredentials look at how a connection begins, so that whoever is refused is told why, and so is the log.
type serverCredentials struct {
	credentials.TransportCredentials
	secure bool
	gate   *endpoint.Gate
	refuse func(net.Addr, error)
}

// Clone returns a copy.
func (s *serverCredentials) Clone() credentials.TransportCredentials {
	c := *s
	c.TransportCredentials = s.TransportCredentials.Clone()
	return &c
}

// ServerHandshake finds out who has connected.
func (s *serverCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := s.handshake(raw)
	if err != nil {
		s.refuse(raw.RemoteAddr(), err)
		if gated, ok := raw.(*gatedConn); ok {
			endpoint.Linger(gated.Conn)
		}
		_ = raw.Close()
		return nil, nil, err
	}
	if gated, ok := raw.(*gatedConn); ok {
		s.gate.Known(gated.Conn)
	}
	return c, info, nil
}

func (s *serverCredentials) handshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	var first [1]byte
	if _, err := io.ReadFull(raw, first[:]); err != nil {
		return nil, nil, fmt.Errorf("it says nothing: %w", err)
	}
	begun := &begunConn{Conn: raw, begin: first[:], held: true}
	defer func() { begun.held = false }()
	speaksTLS := first[0] == tlsHandshake
	switch {
	case s.secure && !speaksTLS:
		_, _ = raw.Write(unexpectedMessage)
		return nil, nil, errors.New("the peer does not speak TLS: configure a certificate on both or on neither")
	case !s.secure && speaksTLS:
		_, _ = raw.Write([]byte(preface)) // anything that is not TLS
		return nil, nil, errors.New("the peer speaks TLS and this node does not: configure a certificate on both or on neither")
	}
	c, info, err := s.TransportCredentials.ServerHandshake(begun)
	if err != nil {
		return nil, nil, fmt.Errorf("TLS handshake: %w", err)
	}
	start := make([]byte, len(preface))
	if n, err := io.ReadFull(c, start); err != nil || string(start) != preface {
		return nil, nil, fmt.Errorf("the peer does not speak gRPC: %q", start[:n])
	}
	return &begunConn{Conn: c, begin: start}, info, nil
}

// begunConn gives back what has been read of a connection.
type begunConn struct {
	net.Conn
	begin []byte
	held  bool // is not closed yet: who is refused shall read why
}

func (c *begunConn) Close() error {
	if c.held {
		return nil
	}
	return c.Conn.Close()
}

func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.begin) > 0 {
		n := copy(b, c.begin)
		c.begin = c.begin[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// plainCredentials are those of a client without TLS, which can tell that the server has it.
type plainCredentials struct {
	credentials.TransportCredentials
}

// Clone returns a copy.
func (p plainCredentials) Clone() credentials.TransportCredentials {
	return plainCredentials{p.TransportCredentials.Clone()}
}

// ClientHandshake does nothing yet.
func (p plainCredentials) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return p.TransportCredentials.ClientHandshake(ctx, authority, &plainConn{Conn: raw})
}

// plainConn notices an answer in TLS.
type plainConn struct {
	net.Conn
	begun bool
}

func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.begun && n > 0 {
		c.begun = true
		if b[0] == tlsAlert {
			return 0, errors.New("the peer demands TLS and this node has none: configure a certificate on both or on neither")
		}
	}
	return n, err
}
