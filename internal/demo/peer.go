package demo

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/certs"
)

// peer is a candidate that answers the others, and asks the leader.
type peer struct {
	*s3lect.S3Elector
	server *s3lect.HealthServer
}

// makeCertificates makes those by which the members know each other.
func makeCertificates(dir string, ids []string) error {
	_, err := certs.Make(certs.Options{Dir: MemberOptions{Dir: dir}.certsDir(), Names: ids})
	return err
}

func newPeer(opts MemberOptions, config *s3lect.ElectorConfig, storage s3lect.Storage, log *slog.Logger) (candidate, error) {
	file := func(name string) string { return filepath.Join(opts.certsDir(), name) }
	ca, cert, key := file("ca.pem"), file(opts.ID+".pem"), file(opts.ID+"-key.pem")
	config.PeerMode = true
	config.PeerCAFile, config.PeerCertFile, config.PeerKeyFile = ca, cert, key
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{Config: config, Storage: storage, Logger: log})
	if err != nil {
		return nil, err
	}
	server, err := s3lect.NewHealthServer(s3lect.HealthServerConfig{
		BindAddress: "127.0.0.1:0", Elector: elector, Logger: log,
		CertFile: cert, KeyFile: key, ClientCAFile: ca,
	})
	if err != nil {
		return nil, err
	}
	return &peer{elector, server}, nil
}

// Start serves, on a free port, and then contests with that address.
func (p *peer) Start(ctx context.Context) error {
	if err := p.server.Start(ctx); err != nil {
		return err
	}
	config := p.GetConfig()
	config.ServerAddr = p.server.Addr().String()
	if err := p.UpdateConfig(*config); err != nil {
		return err
	}
	return p.S3Elector.Start(ctx)
}

// Stop lets the others know of the resignation before the server ends.
func (p *peer) Stop() error {
	err := p.S3Elector.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	return errors.Join(err, p.server.Stop(ctx))
}
