package s3lect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

// Limits of a HealthServer. The leadership handler moves the deadlines of a long poll, which may
// wait for longer than requests are otherwise given.
const (
	serverHeaderTimeout = 5 * time.Second  // also that of the TLS handshake
	serverTimeout       = 10 * time.Second // to read, and to answer, a whole request
	serverIdleTimeout   = 2 * time.Minute
	serverPingInterval  = 30 * time.Second // on an HTTP/2 connection from which nothing is heard
	serverPingTimeout   = 10 * time.Second
	serverDrainTimeout  = 5 * time.Second // when the context of Start has ended
	serverNewsTimeout   = 3 * time.Second // of which long polls may go on waiting for news
	maxServerHeader     = 16 << 10        // bytes
	maxServerStreams    = 100             // requests at once on one HTTP/2 connection
	maxNewcomers        = 200             // connections that have not asked anything yet
)

// HealthServerConfig are the parts of a [HealthServer].
type HealthServerConfig struct {
	// BindAddress is the host:port to listen on; port 0 picks a free one. Required.
	BindAddress string
	// Certificate is the server's own, with its key. Required, unless it comes from files.
	Certificate tls.Certificate
	// CertFile and KeyFile are PEM files with the server's certificate (and those between it and its
	// authority, if any) and with its private key, in place of Certificate. They may be one file. They
	// are loaded again when they have changed, for the connections opened from then on; something that
	// cannot be used is logged, and what was loaded before stays in use.
	CertFile, KeyFile string

	// ClientCACert are PEM certificates of authorities. With them, or with ClientCAFile, clients have
	// to show a certificate of one of these authorities, and all others are refused. Refusals are
	// logged once an hour for each source address and reason.
	ClientCACert []byte
	// ClientCAFile is a PEM file with more of them, loaded again when it has changed. A client whose
	// certificate the new ones do not cover is refused also on a connection that it has already.
	ClientCAFile string
	// AllowHandover lets clients with a verified certificate end the leadership of this elector: POST
	// to {PeerHealthPath}/resign, or to {PeerHealthPath}/transfer?to=ID in favour of a candidate.
	// It needs client certificates, so ClientCACert or ClientCAFile. The answer comes when the
	// resignation is written: 200, and JSON with "resigned": true, the "term" that has ended, and the
	// "successor" of a transfer. It is 409 where this elector does not lead, 504 where the resignation
	// was not confirmed in time, 500 where it failed, 501 where the elector has no methods Resign and
	// TransferLeadership like those of [S3Elector]. Each such request is logged with the subject of
	// the client's certificate.
	AllowHandover bool

	// Elector is what the server tells about: any one, also a fake. Required.
	Elector Elector
	// Logger defaults to slog.Default().
	Logger *slog.Logger
}

// HealthServer serves [NewLeadershipHandler] over HTTPS, with TLS 1.2 or newer, at the elector's
// PeerHealthPath as it is at the time of Start. Other paths are not found. All its methods are safe
// for concurrent use.
type HealthServer struct {
	config   HealthServerConfig
	cert     *reload.Value[*tls.Certificate]
	clients  *reload.Value[*reload.Authorities] // nil: everyone may ask
	refusals *refusals
	now      func() time.Time

	leadership http.HandlerFunc

	mu      sync.Mutex
	serving *serving // nil while stopped
}

// serving is the time from one Start to its end.
type serving struct {
	server   *http.Server
	addr     net.Addr
	stopping chan struct{} // closed by Stop
	stop     func()        // closes it, once
	ended    chan struct{} // closed when everything has ended

	// limit ends when requests under way are waited for no longer.
	limit context.Context
	cut   context.CancelFunc
	drain context.CancelFunc // ends the contexts of requests, for which long polls wait, too

	newcomers *newcomers
}

// NewHealthServer loads the certificates and returns a server that does not listen yet. An error
// names the field that cannot be used.
func NewHealthServer(config HealthServerConfig) (*HealthServer, error) {
	return newHealthServer(config, time.Now)
}

func newHealthServer(config HealthServerConfig, now func() time.Time) (*HealthServer, error) {
	if config.Elector == nil {
		return nil, errors.New("HealthServerConfig.Elector is required")
	}
	if _, _, err := net.SplitHostPort(config.BindAddress); err != nil {
		return nil, fmt.Errorf("HealthServerConfig.BindAddress %q must be host:port, such as \":8443\": %w", config.BindAddress, err)
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	h := &HealthServer{
		config:     config,
		refusals:   &refusals{log: config.Logger, now: now},
		now:        now,
		leadership: NewLeadershipHandler(config.Elector, config.Logger),
	}
	load := reload.Loader{Log: config.Logger, Now: now}
	var err error
	if h.cert, err = config.certificate(load); err != nil {
		return nil, err
	}
	if len(config.ClientCACert) > 0 || config.ClientCAFile != "" {
		h.clients, err = load.Authorities("HealthServerConfig.ClientCACert", config.ClientCACert, "HealthServerConfig.ClientCAFile", config.ClientCAFile)
		if err != nil {
			return nil, err
		}
	}
	if config.AllowHandover && h.clients == nil {
		return nil, errors.New("HealthServerConfig.AllowHandover needs ClientCACert or ClientCAFile: without them, everybody could end the leadership")
	}
	return h, nil
}

func (c *HealthServerConfig) certificate(load reload.Loader) (*reload.Value[*tls.Certificate], error) {
	inMemory := len(c.Certificate.Certificate) > 0 || c.Certificate.PrivateKey != nil
	switch {
	case inMemory && (c.CertFile != "" || c.KeyFile != ""):
		return nil, errors.New("HealthServerConfig.Certificate and CertFile with KeyFile exclude each other: give the certificate in one way")
	case inMemory:
		cert, err := load.KeyPair(&c.Certificate)
		if err != nil {
			return nil, fmt.Errorf("HealthServerConfig.Certificate %w", err)
		}
		return cert, nil
	case c.CertFile != "" && c.KeyFile != "":
		cert, err := load.KeyPairFiles(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("HealthServerConfig.CertFile and KeyFile: %w", err)
		}
		return cert, nil
	case c.CertFile != "":
		return nil, errors.New("HealthServerConfig.KeyFile is required beside CertFile: the file with the certificate's private key")
	case c.KeyFile != "":
		return nil, errors.New("HealthServerConfig.CertFile is required beside KeyFile: the file with the key's certificate")
	}
	return nil, errors.New("HealthServerConfig.Certificate is required, or CertFile and KeyFile")
}

// Start listens and serves in the background. An address that cannot be bound is an error here.
// When ctx ends, the server stops within five seconds; for the first three of them, followers that
// wait for news still do so, since an elector with the same context is about to tell them of its
// resignation. A stopped server can be started again. The error is ErrAlreadyStarted on one that
// runs or is still stopping.
func (h *HealthServer) Start(ctx context.Context) error {
	return h.start(ctx, func() (net.Listener, error) {
		var listen net.ListenConfig
		return listen.Listen(ctx, "tcp", h.config.BindAddress)
	})
}

func (h *HealthServer) start(ctx context.Context, listen func() (net.Listener, error)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.serving != nil {
		return ErrAlreadyStarted
	}
	listener, err := listen()
	if err != nil {
		return fmt.Errorf("leadership endpoint: %w", err)
	}
	h.warnOfOtherName()
	h.serving = h.newServing(ctx, listener.Addr())
	go h.serve(ctx, h.serving, listener)
	return nil
}

// warnOfOtherName says what would otherwise show at the followers only, once this elector leads.
func (h *HealthServer) warnOfOtherName() {
	config := configOf(h.config.Elector)
	host, _, err := net.SplitHostPort(config.ServerAddr)
	if err != nil || !config.PeerMode {
		return
	}
	if err := h.cert.Get().Leaf.VerifyHostname(host); err != nil {
		h.config.Logger.Warn("the certificate is not good for the host in ServerAddr, so followers refuse it: use another certificate or another address", "addr", config.ServerAddr, "error", err)
	}
}

// Addr returns the address that the server listens on, or nil.
func (h *HealthServer) Addr() net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.serving == nil {
		return nil
	}
	return h.serving.addr
}

// Stop accepts nothing new, has the requests under way answered, those that wait for news at once,
// and ends the server. What has not been answered when ctx ends is cut off, and the error is that
// of ctx. On a server that is not running it does nothing. Stop the elector first: then followers
// are told of its resignation, and need not find it on the storage.
func (h *HealthServer) Stop(ctx context.Context) error {
	h.mu.Lock()
	s := h.serving
	h.mu.Unlock()
	if s == nil {
		return nil
	}
	s.stop()
	s.drain()
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		s.cut()
		<-s.ended
		return fmt.Errorf("drain the leadership endpoint: %w", ctx.Err())
	}
}

func (h *HealthServer) newServing(ctx context.Context, addr net.Addr) *serving {
	s := &serving{addr: addr, stopping: make(chan struct{}), ended: make(chan struct{}), newcomers: newNewcomers()}
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	s.limit, s.cut = context.WithCancel(context.WithoutCancel(ctx))
	requests, drain := context.WithCancel(s.limit)
	s.drain = drain
	s.server = &http.Server{
		Handler:           h.handler(s.limit),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       withClientCheck,
		ConnState:         s.newcomers.changed,
		TLSConfig:         h.tlsConfig(),
		ReadHeaderTimeout: serverHeaderTimeout,
		ReadTimeout:       serverTimeout,
		WriteTimeout:      serverTimeout,
		IdleTimeout:       serverIdleTimeout,
		MaxHeaderBytes:    maxServerHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxServerStreams,
			SendPingTimeout:      serverPingInterval,
			PingTimeout:          serverPingTimeout,
			WriteByteTimeout:     serverTimeout,
		},
		ErrorLog: slog.NewLogLogger(h.refusals, slog.LevelWarn),
	}
	s.server.RegisterOnShutdown(s.newcomers.close)
	return s
}

// tlsConfig has a configuration made for each connection, of the certificates as they are by then.
func (h *HealthServer) tlsConfig() *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		Time:       h.now,
		// A resumed session would carry over what was verified against earlier authorities.
		SessionTicketsDisabled: true,
	}
	outer := config.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		fresh := config.Clone()
		fresh.Certificates = []tls.Certificate{*h.cert.Get()}
		if h.clients != nil {
			fresh.ClientAuth = tls.RequireAndVerifyClientCert
			fresh.ClientCAs = h.clients.Get().Pool
		}
		return fresh, nil
	}
	return outer
}

// handler serves the few paths there are. The limit ends what goes on beyond its request.
func (h *HealthServer) handler(limit context.Context) http.Handler {
	config := configOf(h.config.Elector)
	below := strings.TrimSuffix(config.PeerHealthPath, "/")
	paths := map[string]http.HandlerFunc{
		config.PeerHealthPath: h.leadership,
	}
	if h.config.AllowHandover {
		handover := &handover{server: h, limit: limit}
		paths[below+"/resign"] = handover.resign
		paths[below+"/transfer"] = handover.transfer
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.cert.Get() // followers stay connected for months: without handshakes, nobody else would see it change or end
		if err := h.checkClient(req); err != nil {
			h.refusals.refused(req.RemoteAddr, reasonOf(err.Error()), err.Error())
			w.Header().Set("Connection", "close") // over HTTP/2, too
			http.Error(w, "the client certificate is not valid any more: connect again with another", http.StatusForbidden)
			return
		}
		// A map, because a ServeMux would redirect what is nearly one of the paths.
		if serve := paths[req.URL.EscapedPath()]; serve != nil {
			serve(w, req)
			return
		}
		http.NotFound(w, req)
	})
}

// serve is the owner of everything that Start began.
func (h *HealthServer) serve(ctx context.Context, s *serving, listener net.Listener) {
	defer close(s.ended)
	defer h.forget()
	defer s.cut()
	served := make(chan error, 1)
	go func() { served <- s.server.ServeTLS(&doorkeeper{listener, s.newcomers}, "", "") }()
	limit := s.limit
	select {
	case err := <-served:
		h.config.Logger.Error("leadership endpoint has ended", "error", err)
		h.close(s)
		return
	case <-s.stopping:
	case <-ctx.Done():
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(limit, serverDrainTimeout)
		defer cancel()
		defer time.AfterFunc(serverNewsTimeout, s.drain).Stop()
	}
	if err := s.server.Shutdown(limit); err != nil {
		h.config.Logger.Warn("cut off requests to the leadership endpoint that took too long", "error", err)
		h.close(s)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		h.config.Logger.Warn("leadership endpoint has ended with an error", "error", err)
	}
}

func (h *HealthServer) close(s *serving) {
	if err := s.server.Close(); err != nil {
		h.config.Logger.Warn("leadership endpoint did not close", "error", err)
	}
}

func (h *HealthServer) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = nil
}

// newcomers are connections that have not asked anything yet. Shutdown would wait for them for some
// seconds.
type newcomers struct {
	mu     sync.Mutex
	fewer  *sync.Cond // signalled when there is one less, or all are sent away
	conns  map[net.Conn]struct{}
	closed bool
}

func newNewcomers() *newcomers {
	n := &newcomers{conns: map[net.Conn]struct{}{}}
	n.fewer = sync.NewCond(&n.mu)
	return n
}

// doorkeeper lets connections wait outside while there are many newcomers. Whoever can reach the
// server, certificate or not, could otherwise use up the files that this process may have open, and
// its elector would not reach its storage any more.
type doorkeeper struct {
	net.Listener

	newcomers *newcomers
}

func (d *doorkeeper) Accept() (net.Conn, error) {
	d.newcomers.awaitRoom()
	return d.Listener.Accept()
}

// awaitRoom returns when there is room for one more, or nobody is let in any more.
func (n *newcomers) awaitRoom() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.conns) >= maxNewcomers && !n.closed {
		n.fewer.Wait()
	}
}

// changed is the ConnState hook.
func (n *newcomers) changed(conn net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(n.conns, conn)
		n.fewer.Signal()
	case n.closed:
		hangUp(conn)
	default:
		n.conns[conn] = struct{}{}
	}
}

func (n *newcomers) close() {
	n.mu.Lock()
	conns := n.conns
	n.conns, n.closed = nil, true
	n.fewer.Broadcast()
	n.mu.Unlock()
	for conn := range conns {
		hangUp(conn)
	}
}

// hangUp closes a connection on which there is nothing that could get lost, without the farewell of
// TLS, for which a client can keep one waiting.
func hangUp(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close() // an error would say that it is closed already
}
