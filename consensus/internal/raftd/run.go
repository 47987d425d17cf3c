package raftd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/open"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// Bounds of connections to the API.
const (
	readHeadTimeout = 5 * time.Second
	idleTimeout     = 2 * time.Minute
	slowestAnswer   = 10 * time.Second // beyond the time for the request
	drainTime       = time.Second      // for answers under way, once the node has ended
)

// Run runs a node and its API until ctx ends, and then ends both in order; nil if that went well. An error
// before says why they could not be started, or why the node has stopped by itself.
func Run(ctx context.Context, o Options) (err error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if err := o.Check(); err != nil {
		return fmt.Errorf("%w: %w", consensus.ErrConfig, err)
	}
	d, err := newDaemon(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.start(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return d.serve(ctx)
}

// daemon is a node with its API.
type daemon struct {
	options Options
	log     *slog.Logger
	place   place
	closers []io.Closer // in reverse order
	running bool        // the node may still use what closers would close

	listener net.Listener
	apiURL   string
	node     *consensus.Node
	server   *http.Server
}

// newDaemon takes hold of everything but the network of the node.
func newDaemon(ctx context.Context, o Options) (_ *daemon, err error) {
	d := &daemon{options: o, log: o.Logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	security, err := d.secure()
	if err != nil {
		return nil, err
	}
	if err := d.listen(ctx, security); err != nil {
		return nil, err
	}
	options, err := d.nodeOptions(ctx, security)
	if err != nil {
		return nil, err
	}
	if d.node, err = consensus.New(options...); err != nil {
		return nil, err
	}
	if err := d.newServer(security); err != nil {
		return nil, err
	}
	return d, nil
}

// listen binds the address of the API before anything else, as the error that is most likely.
func (d *daemon) listen(ctx context.Context, s *security) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", d.options.API)
	if err != nil {
		return fmt.Errorf("--api %s: %w", d.options.API, err)
	}
	d.listener = netutil.LimitListener(listener, maxConnections(d.options.MaxConnections))
	d.closers = append(d.closers, ignoreClosed{listener})
	d.apiURL = d.options.apiURL(listener.Addr(), s.api != nil)
	return nil
}

func maxConnections(given int) int {
	if given == 0 {
		return 4096
	}
	return given
}

// ignoreClosed closes a listener that the server may have closed.
type ignoreClosed struct{ net.Listener }

func (l ignoreClosed) Close() error {
	if err := l.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// apiURL returns where others reach the API that listens there.
func (o *Options) apiURL(listening net.Addr, encrypted bool) string {
	if o.APIURL != "" {
		return o.APIURL
	}
	host, _, _ := net.SplitHostPort(o.API) // has been checked
	_, port, _ := net.SplitHostPort(listening.String())
	if unspecified(host) {
		host = o.reachedAt()
	}
	scheme := "http://"
	if encrypted {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

// reachedAt is the host at which other nodes reach this one.
func (o *Options) reachedAt() string {
	if o.Advertise != "" {
		host, _, _ := net.SplitHostPort(o.Advertise) // has been checked
		return host
	}
	host, _, _ := o.bind() // has been checked
	return host
}

func (d *daemon) nodeOptions(ctx context.Context, s *security) ([]consensus.Option, error) {
	o := d.options
	host, port, err := o.bind()
	if err != nil {
		return nil, err
	}
	options := []consensus.Option{
		consensus.WithNodeID(o.ID),
		consensus.WithBindAddress(host, port),
		consensus.WithAPIAddress(d.apiURL),
		consensus.WithPeers(o.Peers),
		consensus.WithStateMachine(kv.New()),
		consensus.WithLogger(d.log),
	}
	if o.Advertise != "" {
		host, port, err := splitAddress("--advertise", o.Advertise)
		if err != nil {
			return nil, err
		}
		options = append(options, consensus.WithAdvertiseAddress(host, port))
	}
	if o.Join {
		options = append(options, consensus.WithJoin())
	}
	options = append(options, o.tuning()...)
	if s.nodes != nil {
		options = append(options, consensus.WithTLS(s.nodes))
	}
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	options = append(options, consensus.WithTransport(transport))
	if o.Discovery != "" {
		discovery, err := open.Open(o.Discovery, d.log)
		if err != nil {
			return nil, fmt.Errorf("%w: --discovery: %w", consensus.ErrConfig, err)
		}
		options = append(options, consensus.WithDiscovery(discovery))
	}
	storage, err := d.openStorage(ctx)
	if err != nil {
		return nil, err
	}
	return append(options, consensus.WithStorage(storage)), nil
}

// tuning are the options that stand for a default of the node's where they are not set.
func (o *Options) tuning() []consensus.Option {
	var options []consensus.Option
	if o.Cluster != "" {
		options = append(options, consensus.WithClusterID(o.Cluster))
	}
	for _, d := range []struct {
		value time.Duration
		with  func(time.Duration) consensus.Option
	}{
		{o.ElectionMin, consensus.WithElectionTimeoutMin},
		{o.ElectionMax, consensus.WithElectionTimeoutMax},
		{o.Heartbeat, consensus.WithHeartbeatInterval},
		{o.SnapshotInterval, consensus.WithSnapshotInterval},
		{o.RemoveAbsent, consensus.WithRemoveAbsent},
	} {
		if d.value != 0 {
			options = append(options, d.with(d.value))
		}
	}
	if o.SnapshotThreshold != 0 {
		options = append(options, consensus.WithSnapshotThreshold(o.SnapshotThreshold))
	}
	if o.TrailingLogs != 0 {
		options = append(options, consensus.WithTrailingLogs(o.TrailingLogs))
	}
	if o.MaxCommand != 0 {
		options = append(options, consensus.WithMaxCommandSize(o.MaxCommand))
	}
	return options
}

func (d *daemon) openStorage(ctx context.Context) (consensus.Storage, error) {
	var err error
	if d.place, err = d.options.store(); err != nil {
		return nil, err
	}
	if d.place.kind == Memory {
		d.log.Warn("NOTHING IS KEPT: --store memory loses all data and all votes of this node when it ends. A node that comes back " +
			"with nothing can vote twice in one term, and what was confirmed to clients can be lost. Use it for trying things out only")
	}
	if err := d.place.checkOthers(); err != nil {
		return nil, err
	}
	storage, err := d.place.open(ctx, d.log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", consensus.ErrStorageUnavailable, err)
	}
	d.closers = append(d.closers, storage)
	return storage, nil
}

func (d *daemon) newServer(s *security) error {
	api, err := admin.New(d.node, admin.Options{
		TokenSource: s.tokens, ClientCertificates: s.clientCertificates, Insecure: d.options.open(),
		Forward: d.options.Forward, ForwardTLS: s.forward,
		MaxBody: maxBody(d.options.MaxCommand), Timeout: d.options.RequestTimeout,
		DecodeQuery: kv.DecodeQuery, Version: d.options.Version, Logger: d.log,
	})
	if err != nil {
		return err
	}
	if d.options.open() && !d.options.Insecure {
		api = knownHosts(d.apiURL, api)
	}
	d.server = &http.Server{
		Handler: api, TLSConfig: s.api, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: readHeadTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: requestTimeout(d.options.RequestTimeout) + slowestAnswer,
	}
	return nil
}

func requestTimeout(given time.Duration) time.Duration {
	if given == 0 {
		return 10 * time.Second
	}
	return given
}

// maxBody has room for a command in base64.
func maxBody(command int) int64 {
	if command == 0 {
		return 0 // the API's default fits the node's
	}
	return int64(command)*2 + 4096
}

func (d *daemon) start(ctx context.Context) error {
	if err := d.node.Start(ctx); err != nil {
		return err
	}
	d.running = true
	d.report()
	return nil
}

// report says what is in force.
func (d *daemon) report() {
	timing := d.node.Timing()
	o := d.options
	d.log.Info("raftd runs", "node", o.ID, "cluster", o.Cluster, "version", o.Version,
		"address", d.node.Address(), "transport", transportName(o.Transport), "tls", o.TLS.Cert != "",
		"store", d.place.String())
	d.log.Info("the API is served", "node", o.ID, "listen", d.listener.Addr().String(), "url", d.apiURL, "tls", d.server.TLSConfig != nil,
		"credentials", credentials(o), "forward", o.Forward)
	d.log.Info("timing in force", "node", o.ID,
		"heartbeats", fmt.Sprintf("%v to %v", timing.HeartbeatMin, timing.HeartbeatMax),
		"elections", fmt.Sprintf("after %v to %v", timing.ElectionMin, timing.ElectionMax),
		"lease", timing.Lease)
	if o.open() && !loopbackAddress(d.listener.Addr()) {
		d.log.Warn("everybody who reaches the API can change everything, as --insecure has asked for", "listen", d.listener.Addr().String())
	}
	if o.TokenFile != "" && d.server.TLSConfig == nil && !loopbackAddress(d.listener.Addr()) {
		d.log.Warn("tokens can be read on their way: turn TLS on with --api-tls-cert, or have a proxy in front that does it", "listen", d.listener.Addr().String())
	}
}

func credentials(o Options) string {
	switch files := o.apiTLS(); {
	case o.TokenFile != "" && files.CA != "":
		return "token or certificate"
	case o.TokenFile != "":
		return "token"
	case files.CA != "":
		return "certificate"
	}
	return "none"
}

func loopbackAddress(address net.Addr) bool {
	host, _, err := net.SplitHostPort(address.String())
	return err == nil && loopback(host)
}

// serve answers clients until ctx or the node ends.
func (d *daemon) serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() {
		if d.server.TLSConfig != nil {
			served <- d.server.ServeTLS(d.listener, "", "")
		} else {
			served <- d.server.Serve(d.listener)
		}
	}()
	var err error
	select {
	case <-ctx.Done():
		d.log.Info("ending in order: a leader hands its leadership on first", "node", d.options.ID)
	case <-d.node.Done():
		err = fmt.Errorf("the node has stopped by itself: %w", d.node.Err())
	case err = <-served:
		err = fmt.Errorf("the API has stopped by itself: %w", err)
		served <- nil
	}
	return errors.Join(err, d.stop(served))
}

// stop ends the node first: until it has ended, the API sends clients to the next leader.
func (d *daemon) stop(served <-chan error) error {
	patience, cancel := context.WithTimeout(context.Background(), stopTimeout(d.options.StopTimeout))
	defer cancel()
	err := d.node.Stop(patience)
	d.running = err != nil
	drain, cancelDrain := context.WithTimeout(context.Background(), drainTime)
	defer cancelDrain()
	if d.server.Shutdown(drain) != nil {
		_ = d.server.Close() // whoever still waits has been waiting for a node that has ended
	}
	if closed := <-served; closed != nil && !errors.Is(closed, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("end the API: %w", closed))
	}
	return err
}

func stopTimeout(given time.Duration) time.Duration {
	if given == 0 {
		return 10 * time.Second
	}
	return given
}

// close closes what was opened, the last first. What a node that could not be ended still uses stays open, until the
// process ends.
func (d *daemon) close() error {
	if d.running {
		return nil
	}
	var all []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		all = append(all, d.closers[i].Close())
	}
	d.closers = nil
	return errors.Join(all...)
}
