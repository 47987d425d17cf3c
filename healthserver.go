package s3lect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// HealthServerConfig are the parts of a [HealthServer].
type HealthServerConfig struct {
	// BindAddress is the host:port to listen on; port 0 picks a free one. Required.
	BindAddress string
	// Certificate is the server's own, with its key. Required.
	Certificate tls.Certificate
	// Elector is what the server tells about. Required.
	Elector Elector
	// Logger defaults to slog.Default().
	Logger *slog.Logger
}

// HealthServer serves [NewLeadershipHandler] over HTTPS at the elector's PeerHealthPath.
type HealthServer struct {
	config HealthServerConfig

	mu     sync.Mutex
	server *http.Server // nil while stopped
	addr   net.Addr
	served chan struct{} // closed when the server has ended
}

// NewHealthServer returns a server that does not listen yet.
func NewHealthServer(config HealthServerConfig) (*HealthServer, error) {
	switch {
	case config.Elector == nil:
		return nil, errors.New("HealthServerConfig.Elector is required")
	case len(config.Certificate.Certificate) == 0 || config.Certificate.PrivateKey == nil:
		return nil, errors.New("HealthServerConfig.Certificate is required: load one with tls.LoadX509KeyPair")
	}
	if _, _, err := net.SplitHostPort(config.BindAddress); err != nil {
		return nil, fmt.Errorf("HealthServerConfig.BindAddress %q must be host:port, such as \":8443\": %w", config.BindAddress, err)
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	return &HealthServer{config: config}, nil
}

// Start listens and serves in the background. An address that cannot be bound is an error here.
// When ctx ends, the server stops. The error is ErrAlreadyStarted on one that runs.
func (h *HealthServer) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server != nil {
		return ErrAlreadyStarted
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", h.config.BindAddress)
	if err != nil {
		return fmt.Errorf("leadership endpoint: %w", err)
	}
	config := *h.config.Elector.GetConfig()
	config.setDefaults() // people's fakes may not
	mux := http.NewServeMux()
	mux.Handle(config.PeerHealthPath, NewLeadershipHandler(h.config.Elector, h.config.Logger))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(h.config.Logger.Handler(), slog.LevelWarn),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{h.config.Certificate},
		},
	}
	h.server, h.addr, h.served = server, listener.Addr(), make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		if err := server.Close(); err != nil {
			h.config.Logger.Warn("leadership endpoint did not close", "error", err)
		}
	})
	go func(served chan struct{}) {
		defer close(served)
		defer forget()
		h.serve(server, listener)
	}(h.served)
	return nil
}

// Addr returns the address that the server listens on, or nil.
func (h *HealthServer) Addr() net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addr
}

// Stop answers the requests under way and ends the server; what has not been answered when ctx ends
// is cut off, and the error is that of ctx. On a server that is not running it does nothing.
func (h *HealthServer) Stop(ctx context.Context) error {
	h.mu.Lock()
	server, served := h.server, h.served
	h.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain the leadership endpoint: %w", err), server.Close())
	}
	<-served
	return err
}

func (h *HealthServer) serve(server *http.Server, listener net.Listener) {
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		h.config.Logger.Error("leadership endpoint has ended", "error", err)
	}
	h.mu.Lock()
	h.server, h.addr = nil, nil
	h.mu.Unlock()
}
