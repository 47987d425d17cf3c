// Package consul is the discovery that keeps the list of nodes in Consul, as the healthy instances of a service:
//
//	nodes, err := consul.New(consul.Options{Address: "127.0.0.1:8500", Service: "raft"})
//
// A registered node is an instance of the service on the agent that is asked, normally the one on the same machine,
// with a check that this process confirms every third of [Options].TTL. When the process ends without Stop, the check fails
// after TTL, the node is off the list, and after [Options].ForgetAfter the agent removes the instance. An agent that has
// lost the registration gets it again.
//
// Instances that somebody else registers, in an agent's configuration for example, are listed if they carry the metadata
// "node-id", the ID of the node, and have an address (their own or their agent's) and a port. "voter" is "true" if it is
// missing; metadata that begins with "tag-" is the node's tags. Unregister works for instances on the agent that is asked.
//
// # What cannot be seen is not gone
//
// With access control lists, the token needs service:write for the service and service:read and node:read for all of its
// instances. Where the token hides instances, Consul says so beside the list, and the list is taken for a failure. An agent
// that cannot reach the servers answers with an error.
//
// Consul's HTTP API is called directly; the versions it was tried with are named in the tests.
package consul

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

// Options says where the list is. Service is required.
type Options struct {
	// Address is the host and port of the agent's HTTP API. Defaults to 127.0.0.1:8500.
	Address string
	// Service is the name of the service whose instances are the nodes. Other clusters need other names.
	Service string
	// Datacenter is the one whose instances are listed. Defaults to the agent's own; registered are nodes there always.
	Datacenter string
	// Token is sent with every request, if it is not empty, and is in no error or log.
	Token string
	// TLS has the agent asked over HTTPS.
	TLS *tls.Config
	// TTL is the time after which a node whose process has ended is off the list, at least 1s. Defaults to 15s.
	TTL time.Duration
	// ForgetAfter is how long the agent keeps a node that is off the list that way, at least Consul's 1m. Defaults to 10m.
	ForgetAfter time.Duration
	// Logger defaults to slog.Default().
	Logger *slog.Logger
}

// New checks the options. Nothing is asked before Start.
func New(options Options) (discovery.Discovery, error) {
	s, err := newSource(options)
	if err != nil {
		return nil, fmt.Errorf("consul discovery: %w", err)
	}
	return directory.New(s, options.Logger), nil
}

func newSource(o Options) (*source, error) {
	o.Address = cmp.Or(o.Address, "127.0.0.1:8500")
	o.TTL = cmp.Or(o.TTL, 15*time.Second)
	o.ForgetAfter = cmp.Or(o.ForgetAfter, 10*time.Minute)
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &source{options: o, base: url.URL{Scheme: "http", Host: o.Address}, rate: refill}
	if o.TLS != nil {
		s.base.Scheme = "https"
	}
	return s, nil
}

func (o Options) check() error {
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil || host == "" || port == "" || strings.ContainsAny(o.Address, "/@ ") {
		// A URL would be a place for a password.
		return errors.New("address is not a host and port, such as 127.0.0.1:8500")
	}
	if o.Service == "" {
		return errors.New("service is missing: give the name under which the nodes are registered")
	}
	if strings.ContainsFunc(o.Service, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(" /?#%:", r) }) {
		return fmt.Errorf("service %q has characters that are special in URLs", o.Service)
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("token has characters that cannot be sent, perhaps the end of a line")
	}
	if o.TTL < time.Second {
		return fmt.Errorf("TTL %v is less than 1s", o.TTL)
	}
	if o.ForgetAfter < time.Minute {
		return fmt.Errorf("time to forget a node, %v, is less than 1m, which is Consul's least", o.ForgetAfter)
	}
	return nil
}

// source is the service.
type source struct {
	options   Options
	base      url.URL
	rate      time.Duration // see pace
	transport *http.Transport
	client    *http.Client
}

func (s *source) String() string {
	return fmt.Sprintf("service %s of Consul at %s", s.options.Service, s.options.Address)
}

func (s *source) Open() error {
	s.transport = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: requestTimeout}).DialContext,
		TLSClientConfig:        s.options.TLS.Clone(),
		TLSHandshakeTimeout:    requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        time.Minute,
	}
	s.client = &http.Client{
		Transport: s.transport,
		// The token is for this agent, and not for where it points to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

func (s *source) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}
