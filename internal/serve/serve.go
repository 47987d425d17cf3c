// Package serve is the server that answers for rounds over HTTP: what surrounds their handler. That is
// health and readiness, metrics, the access log, limits, encryption, an orderly end, and a sidecar
// that contests a leadership for programs which cannot.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

// Limits of the server. What --max-connections and the like say comes on top.
const (
	headerTimeout = 5 * time.Second  // to read the head of a request, also that of the TLS handshake
	readTimeout   = 10 * time.Second // to read all of it
	writeTimeout  = 10 * time.Second // to write an answer, on top of the time to find it
	idleTimeout   = time.Minute
	pingInterval  = 30 * time.Second // on an HTTP/2 connection from which nothing is heard
	pingTimeout   = 10 * time.Second
	maxHeader     = 16 << 10 // bytes
	maxConcurrent = 100      // requests at once on one HTTP/2 connection
)

// Options are the parts of a [Server].
type Options struct {
	// NewAPI makes the handler of everything below /api/. It is to refuse requests for which authorize
	// returns an error. Required.
	NewAPI func(authorize func(*http.Request) error) (http.Handler, error)
	// Storage is asked for ProbeKey, at which there need not be anything, to see whether it answers.
	// Both are required.
	Storage  s3lect.Storage
	ProbeKey string
	// Elector is what the sidecar tells about; nil for a server without. It is started and stopped
	// by the server.
	Elector Elector
	// Metrics are served. Required.
	Metrics *Metrics

	// TokenFile holds the tokens, one in a line; empty for a server that asks for none.
	TokenFile string
	// CertFile and KeyFile are PEM files; empty for a server without TLS.
	CertFile, KeyFile string
	// ClientCAFile is a PEM file of the authorities whose certificates clients have to show, for all
	// but health, readiness and metrics; empty for a server that does not ask for certificates.
	ClientCAFile string

	// RequestTimeout is how long the API may take to find an answer. Required.
	RequestTimeout time.Duration
	// MaxConnections is how many connections may be open; more wait until one is closed. Required.
	MaxConnections int
	// MaxStreams is how many may watch the leadership. Defaults to 1000.
	MaxStreams int
	// Delay is for how long the server goes on serving, and says that it is not ready, before it
	// closes its listener.
	Delay time.Duration
	// Drain is for how long requests under way are waited for in the end.
	Drain time.Duration

	// Log is required.
	Log *slog.Logger
}

// Elector is what the sidecar needs of an [s3lect.S3Elector].
type Elector interface {
	Start(ctx context.Context) error
	Stop() error
	IsLeader() bool
	Term() int64
	Remaining() time.Duration
	GetLeadershipStatus() *s3lect.LeadershipStatus
	Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus]
}

// Server serves one listener once.
type Server struct {
	options Options
	log     *slog.Logger
	guard   *guard
	api     http.Handler
	ready   *readiness
	sidecar *sidecar // nil: none
	cert    *reload.Value[*tls.Certificate]
	http    *http.Server
	door    *door

	draining atomic.Bool
	underWay atomic.Int64 // requests, streams included
}

// errCut is why requests end that are not answered in time in the end.
var errCut = errors.New("the server has ended")

// New reads the files and returns a server that does not serve yet.
func New(options Options) (*Server, error) {
	s := &Server{options: options, log: options.Log}
	load := reload.Loader{Log: options.Log, Now: time.Now}
	var err error
	if s.guard, err = newGuard(load, options); err != nil {
		return nil, err
	}
	if s.api, err = options.NewAPI(s.guard.checkToken); err != nil {
		return nil, err
	}
	if options.CertFile != "" {
		if s.cert, err = load.KeyPairFiles(options.CertFile, options.KeyFile); err != nil {
			return nil, err
		}
	}
	s.ready = &readiness{log: options.Log, read: func(ctx context.Context) error {
		_, _, err := options.Storage.Get(ctx, options.ProbeKey)
		if errors.Is(err, s3lect.ErrStorageNotFound) {
			return nil
		}
		return err
	}}
	if options.Elector != nil {
		s.sidecar = newSidecar(options.Elector, options.MaxStreams, options.Metrics)
	}
	return s, nil
}

// Serve serves until ctx ends and then comes to an end in order: it tells that it is not ready, has
// the leadership released, closes the listener, and waits for requests under way. The error says
// what could not be done in time, or why the listener has failed.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.door = newDoor(listener, s.options.MaxConnections, s.options.Metrics, s.log)
	requests, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	cut := func() { cancel(errCut) }
	defer cut()
	s.http = s.newHTTPServer(requests)

	var background sync.WaitGroup
	defer background.Wait()
	defer cut() // which the background obeys
	if s.sidecar != nil {
		if err := s.sidecar.start(requests); err != nil {
			return errors.Join(fmt.Errorf("start the election: %w", err), listener.Close())
		}
		background.Go(func() { s.sidecar.count(requests) })
	}
	background.Go(func() { _ = s.ready.check(requests) }) // the log has the answer

	served := make(chan error, 1)
	go func() { served <- s.serveHTTP() }()
	s.log.Info("serving", "address", listener.Addr().String(), "tls", s.cert != nil)
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("the listener has failed: %w", err), s.shutDown(0, cut))
	case <-ctx.Done():
	}
	err := s.shutDown(s.options.Delay, cut)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

func (s *Server) serveHTTP() error {
	if s.cert != nil {
		return s.http.ServeTLS(s.door, "", "")
	}
	return s.http.Serve(s.door)
}

// shutDown ends everything that Serve began. What takes longer than the options say is cut off.
func (s *Server) shutDown(delay time.Duration, cut func()) error {
	s.draining.Store(true)
	s.log.Info("shutting down", "delay", delay, "limit", s.options.Drain)
	limit, cancel := context.WithTimeout(context.Background(), delay+s.options.Drain)
	defer cancel()

	var released error
	var ending sync.WaitGroup
	if s.sidecar != nil {
		ending.Go(func() { released = s.sidecar.stop(limit) }) // the delay is for clients, not for candidates
	}
	pause(limit, delay)
	err := s.http.Shutdown(limit)
	if err != nil {
		if n := s.underWay.Load(); n > 0 {
			err = fmt.Errorf("requests were cut off, %d in all: %w", n, err)
		} else {
			err = fmt.Errorf("connections were cut off on which an answer may have been under way: %w", err)
		}
		cut()
		err = errors.Join(err, s.http.Close())
	}
	ending.Wait()
	return errors.Join(err, released)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (s *Server) newHTTPServer(requests context.Context) *http.Server {
	server := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       withClientCheck,
		ConnState:         s.door.changed,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      s.options.RequestTimeout + writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxConcurrent,
			SendPingTimeout:      pingInterval,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     writeTimeout,
		},
		// Whoever can reach the server can have it say something here.
		ErrorLog: slog.NewLogLogger(&sparse{Handler: s.log.Handler(), limit: rate.NewLimiter(rate.Every(10*time.Second), 10)}, slog.LevelWarn),
	}
	if s.cert != nil {
		server.TLSConfig = s.tlsConfig()
	}
	server.RegisterOnShutdown(s.door.dismiss)
	return server
}

// tlsConfig has a configuration made for each connection, of the certificates as they are by then.
func (s *Server) tlsConfig() *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		// A resumed session would carry over what was verified against earlier authorities.
		SessionTicketsDisabled: true,
	}
	outer := config.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		fresh := config.Clone()
		fresh.Certificates = []tls.Certificate{*s.cert.Get()}
		if s.guard.clients != nil {
			fresh.ClientAuth = tls.VerifyClientCertIfGiven // health is for everybody, the guard demands one for the rest
			fresh.ClientCAs = s.guard.clients.Get().Pool
		}
		return fresh, nil
	}
	return outer
}
