package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

// peerOptions turn peer mode on for a candidate.
type peerOptions struct {
	asking
	listen        string // empty where peer mode is off
	allowHandover bool
}

func (p *peerOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.listen, "peer-listen", "", "`[HOST]:PORT` to answer the other members at; turns peer mode on")
	p.asking.addFlags(cmd)
	f.BoolVar(&p.allowHandover, "allow-handover", false, "obey \"s3lect transfer\" and \"s3lect resign\" of other members")
}

// check names what is missing or cannot be used. The files are read with the rest of the elector's
// configuration.
func (p *peerOptions) check() error {
	if p.listen == "" {
		return p.checkOff()
	}
	if _, _, err := splitAddress(p.listen); err != nil {
		return usageErrorf("--peer-listen %q: %w", p.listen, err)
	}
	return p.required("--peer-listen")
}

// checkOff refuses what would silently be of no effect.
func (p *peerOptions) checkOff() error {
	for _, f := range p.files() {
		if f.name != "" {
			return usageErrorf("%s %s is for peer mode, which --peer-listen turns on", f.flag, f.name)
		}
	}
	switch {
	case p.timeout != 0:
		return usageErrorf("--peer-timeout %v is for peer mode, which --peer-listen turns on", p.timeout)
	case p.allowHandover:
		return usageErrorf("--allow-handover needs --peer-listen as well: requests come in there")
	}
	return nil
}

// address is where others find this member, if they are not told.
func (p *peerOptions) address(hostname string) string {
	if p.listen == "" {
		return net.JoinHostPort(hostname, placeholderPort)
	}
	return listenAddress(p.listen, hostname)
}

// listenAddress is where others find what listens there.
func listenAddress(listen, hostname string) string {
	host, port, err := net.SplitHostPort(listen)
	if err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		return net.JoinHostPort(hostname, port)
	}
	return listen
}

func (p *peerOptions) configure(c *s3lect.ElectorConfig) {
	if p.listen != "" {
		p.asking.configure(c)
	}
}

// drainPatience bounds the wait for answers to be delivered, in the end.
const drainPatience = time.Second

// serve answers the other members until the returned function is called, which waits for the end.
func (p *peerOptions) serve(ctx context.Context, elector s3lect.Elector, log *slog.Logger) (stop func(), err error) {
	if p.listen == "" {
		return func() {}, nil
	}
	server, err := s3lect.NewHealthServer(s3lect.HealthServerConfig{
		BindAddress: p.listen, Elector: elector, Logger: log,
		CertFile: p.certFile, KeyFile: p.keyFile, ClientCAFile: p.caFile,
		AllowHandover: p.allowHandover,
	})
	if err != nil {
		return nil, usageErrorf("--peer-listen: %w", err)
	}
	if err := server.Start(ctx); err != nil {
		return nil, fmt.Errorf("--peer-listen %s: %w", p.listen, err)
	}
	log.Info("answering other members", "address", server.Addr().String(), "handover", p.allowHandover)
	return func() {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainPatience)
		defer cancel()
		if err := server.Stop(patience); err != nil {
			log.Debug("not every other member has taken its answer", "error", err)
		}
	}, nil
}
