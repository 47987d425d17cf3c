package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/serve"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

const serveLong = `Answer over HTTP who does the job this time: each round of a system is won by
one of those who ask, whatever language they are written in.

  curl -i -H 'X-Candidate-Id: host-a' \
    http://127.0.0.1:8080/api/v1/elect/billing/2026-11-21

  /api/v1/elect/{system}/{round}      202 you are elected, 204 somebody else is
  /api/v1/elected/{system}/{round}    200 and who is, 204 nobody yet
  /api/v1/complete/{system}/{round}   200 recorded, 400 it is not yours
  /api/v1/completed/{system}/{round}  200 and who has, 204 nobody yet

500 stands for "could not tell": asking again is safe, with an identity
(X-Candidate-Id or ?candidate=) that stays the same. "s3lect rounds" has the
same for scripts.

Any number of servers can share one storage and --prefix. They decide together,
and it does not matter which of them is asked.

  /healthz   the process answers
  /readyz    so does the storage; 503 with the reason otherwise, and at the end
  /metrics   for Prometheus

With --key the server also takes part in an election, for programs that cannot:

  /leader         who leads, as JSON
  /leader/self    200 only while this server leads, else 503
  /leader/watch   every change, as server-sent events

All of /api and /leader is for those alone who have a token of --token-file and
a certificate of --client-ca, where these are given. Files with tokens and
certificates are loaded again when they change.

TERM, INT and HUP end the server in order: it says that it is not ready,
releases the leadership, goes on serving for --shutdown-delay, and then waits
for requests under way, no longer than --drain. A second signal ends it at once,
and a leadership then ends with its lease.

--log-level warn leaves out what is logged of requests. --key is taken from the
command line alone, never from the environment, where it may be meant for
another command.

Exit status: 0 ended in order, 1 failure or something was cut off, 2 wrong usage`

const serveExample = `  # Try it, on a directory:
  s3lect serve --store file:///tmp/jobs
  curl -i -H 'X-Candidate-Id: me' http://127.0.0.1:8080/api/v1/elect/billing/today

  # For a network, with tokens and TLS:
  s3lect serve --store 's3://bucket/jobs?region=eu-central-1' --listen :8443 \
    --tls-cert server.pem --tls-key server-key.pem --token-file tokens

  # And a leader election for the programs of this host:
  s3lect serve --store 's3://bucket/jobs?region=eu-central-1' --key leader.json --id "$(hostname)"
  curl -fs http://127.0.0.1:8080/leader/self && ./job`

const (
	defaultListen         = "127.0.0.1:8080"
	defaultMaxConnections = 4096
)

type serveOptions struct {
	place
	listen         string
	prefix         string
	retention      time.Duration
	requestTimeout time.Duration
	rate           float64
	burst          int
	maxConnections int
	shutdownDelay  time.Duration
	drain          time.Duration

	tokenFile, certFile, keyFile, clientCAFile string

	candidacy
}

func (a *App) newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:     "serve --store URL [--listen ADDR]",
		Short:   "Answer over HTTP who is elected, once per round",
		Long:    serveLong,
		Example: serveExample,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, &o) },
	}
	o.addStoreFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", defaultListen, "`[HOST]:PORT` to serve at; port 0 picks one, which the log tells")
	f.StringVar(&o.prefix, "prefix", rounds.DefaultPrefix, "`name` that the keys of all rounds begin with on the storage")
	f.DurationVar(&o.retention, "retention", 0, "`time` after which a round that was won vanishes by itself, on storages that can do that, such as Redis (default for ever; see \"s3lect rounds prune\" for the others)")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` with the tokens, one in each line, of which requests must have one")
	f.StringVar(&o.certFile, "tls-cert", "", "PEM `file` of the server's certificate; turns TLS on")
	f.StringVar(&o.keyFile, "tls-key", "", "PEM `file` of its key")
	f.StringVar(&o.clientCAFile, "client-ca", "", "PEM `file` of the CA whose certificates clients must have")
	f.DurationVar(&o.requestTimeout, "request-timeout", 5*time.Second, "`time` to find an answer in")
	f.Float64Var(&o.rate, "rate", 0, "`number` of requests per second that are answered for each system (default 0, no limit)")
	f.IntVar(&o.burst, "burst", 0, "`number` of requests for a system that may come at once (default as many as --rate)")
	f.IntVar(&o.maxConnections, "max-connections", defaultMaxConnections, "`number` of connections that may be open; more have to wait")
	f.DurationVar(&o.shutdownDelay, "shutdown-delay", 0, "`time` for which the server, at its end, still serves and says that it is not ready, so that a load balancer can notice")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "`time` that requests under way have in the end")
	f.StringVar(&o.key, "key", "", "`key` of a leader record on the storage, not below --prefix: take part in that election, and answer at /leader")
	f.StringVar(&o.id, "id", "", "`ID` of this candidate, unique in the election (default the host's name and a random number)")
	f.StringVar(&o.addr, "addr", "", "`HOST:PORT` to publish in the record (default that of --listen, with the host's name where it has none)")
	o.addIntervalFlags(cmd)
	markFlagOnly(cmd, "key")
	return cmd
}

func (a *App) serve(cmd *cobra.Command, o *serveOptions) (err error) {
	log, err := a.logger()
	if err != nil {
		return err
	}
	if err := o.check(a.given(cmd)); err != nil {
		return err
	}
	config, err := o.electorConfig()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	stop := a.interruptible(cancel)
	defer stop()
	storage, err := a.openStore(ctx, o.store)
	if err != nil {
		return err
	}
	if closer, ok := storage.(io.Closer); ok {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", o.listen, err)
	}
	if config != nil && o.addr == "" {
		config.ServerAddr = o.address(listener.Addr())
	}
	server, err := o.newServer(ctx, storage, config, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	o.warn(listener.Addr(), log)
	return server.Serve(ctx, listener)
}

// given returns which flags are on the command line, not in the environment.
func (a *App) given(cmd *cobra.Command) func(name string) bool {
	return func(name string) bool {
		f := cmd.Flags().Lookup(name)
		fromEnvironment, _ := a.LookupEnv(envName(name))
		return f.Changed && fromEnvironment == ""
	}
}

func (o *serveOptions) check(given func(string) bool) error {
	if _, port, err := net.SplitHostPort(o.listen); err != nil {
		return usageErrorf("--listen %q must be [HOST]:PORT, such as %s: %w", o.listen, defaultListen, err)
	} else if _, err := net.LookupPort("tcp", port); err != nil { //nolint:noctx // numbers and names of services, from a file
		return usageErrorf("--listen %q: %w", o.listen, err)
	}
	switch {
	case o.store == "":
		return missingStore()
	case strings.HasPrefix(strings.ToLower(o.store), "mem:"):
		return usageErrorf("--store %s: rounds in memory could be won again after a restart; use a directory (file:///var/lib/jobs) or a bucket (s3://bucket)", o.store)
	case o.retention < 0 || o.retention > 0 && o.retention < rounds.MinRetention:
		return usageErrorf("--retention %v must be at least %v: a round that has vanished can be won again", o.retention, rounds.MinRetention)
	case o.requestTimeout <= 0:
		return usageErrorf("--request-timeout %v must be positive", o.requestTimeout)
	case !(o.rate >= 0) || math.IsInf(o.rate, 0): // NaN is not >= 0
		return usageErrorf("--rate %v must be a number of requests per second, or 0 for no limit", o.rate)
	case o.burst < 0:
		return usageErrorf("--burst %d must not be negative", o.burst)
	case o.burst > 0 && o.rate == 0:
		return usageErrorf("--burst %d is of no effect without a --rate", o.burst)
	case o.maxConnections < 1:
		return usageErrorf("--max-connections %d must be positive", o.maxConnections)
	case o.shutdownDelay < 0:
		return usageErrorf("--shutdown-delay %v must not be negative", o.shutdownDelay)
	case o.drain < 0:
		return usageErrorf("--drain %v must not be negative", o.drain)
	}
	return cmp.Or(o.checkTLS(), o.checkSidecar(given))
}

func (o *serveOptions) checkTLS() error {
	switch {
	case o.certFile != "" && o.keyFile == "":
		return usageErrorf("--tls-cert needs --tls-key as well: the file of the certificate's key")
	case o.certFile == "" && o.keyFile != "":
		return usageErrorf("--tls-key needs --tls-cert as well: the file of the key's certificate")
	case o.clientCAFile != "" && o.certFile == "":
		return usageErrorf("--client-ca needs --tls-cert and --tls-key as well: clients show certificates over TLS alone")
	}
	return nil
}

// checkSidecar refuses what would silently be of no effect, and a leader record in the place of a
// round. What is in the environment may be for other commands.
func (o *serveOptions) checkSidecar(given func(string) bool) error {
	switch {
	case strings.HasPrefix(o.key, o.prefix+"/"):
		return usageErrorf("--key %s is below --prefix %s, where the rounds are: name a key outside of it, such as leader.json", o.key, o.prefix)
	case o.key != "":
		return o.candidacy.check()
	}
	for _, name := range []string{"id", "addr", "lease", "frequent", "infrequent"} {
		if given(name) {
			return usageErrorf("--%s is for the election that --key names", name)
		}
	}
	return nil
}

// electorConfig is that of the sidecar; nil without one.
func (o *serveOptions) electorConfig() (*s3lect.ElectorConfig, error) {
	if o.key == "" {
		return nil, nil
	}
	c := o.candidacy.electorConfig(o.key)
	return c, o.validate(c)
}

// address is where others find what listens at the address, with the host as it was given.
func (o *serveOptions) address(listening net.Addr) string {
	host, _, _ := net.SplitHostPort(o.listen) // has been checked
	_, port, _ := net.SplitHostPort(listening.String())
	return listenAddress(net.JoinHostPort(host, port), hostname())
}

// newServer puts everything together. It makes no request but for a look at the record of the
// election.
func (o *serveOptions) newServer(ctx context.Context, storage s3lect.Storage, config *s3lect.ElectorConfig, log *slog.Logger) (*serve.Server, error) {
	if _, expires := storage.(s3lect.Creator); o.retention > 0 && !expires {
		return nil, usageErrorf("--retention %v: nothing vanishes by itself on this storage; remove old rounds with \"s3lect rounds prune\"", o.retention)
	}
	metrics := serve.NewMetrics()
	storage = metrics.Storage(storage)
	r, err := rounds.New(storage, rounds.Options{Prefix: o.prefix, Retention: o.retention})
	if err != nil {
		return nil, usageErrorf("--prefix: %w", err)
	}
	options := serve.Options{
		NewAPI: func(authorize func(*http.Request) error) (http.Handler, error) {
			return rounds.NewHandler(r, rounds.HandlerOptions{
				Authorize: authorize, Timeout: o.requestTimeout, RateLimit: o.rate, Burst: o.burst, Logger: log,
				Observe: func(o rounds.Outcome) { metrics.Observe(o.Operation, o.Result, o.Duration) },
			})
		},
		Storage: storage, ProbeKey: o.prefix + "/!ready", // not a name that a system can have
		Metrics:   metrics,
		TokenFile: o.tokenFile, CertFile: o.certFile, KeyFile: o.keyFile, ClientCAFile: o.clientCAFile,
		RequestTimeout: o.requestTimeout, MaxConnections: o.maxConnections,
		Delay: o.shutdownDelay, Drain: o.drain,
		Log: log,
	}
	if config != nil {
		if options.Elector, err = s3lect.NewS3Elector(s3lect.S3ElectorOptions{Config: config, Storage: storage, Logger: log}); err != nil {
			return nil, err
		}
		if err := tryKey(ctx, storage, o.key, log.With("server", config.ServerID)); err != nil {
			return nil, err
		}
	}
	server, err := serve.New(options)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return server, nil
}

// warn says what may not be meant.
func (o *serveOptions) warn(address net.Addr, log *slog.Logger) {
	tcp, ok := address.(*net.TCPAddr)
	local := ok && tcp.IP.IsLoopback()
	switch {
	case !local && o.tokenFile == "" && o.clientCAFile == "":
		log.Warn("everybody who reaches this address can win rounds: restrict them with --token-file or --client-ca", "address", address.String())
	case !local && o.certFile == "" && o.tokenFile != "":
		log.Warn("tokens can be read on their way: turn TLS on with --tls-cert, or have a proxy in front that does it", "address", address.String())
	}
}
