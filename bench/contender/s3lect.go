package contender

import (
	"context"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

const s3lectModule = "github.com/seed-6dc909bb/s3lect"

var s3lectCan = []arena.Need{arena.Statuses, arena.ETags, arena.Rates, arena.Offsets}

func s3lectDefaults() Contender {
	return Contender{
		Name: "s3lect", Module: s3lectModule, Store: S3, Can: s3lectCan,
		About: "S3Storage, the default intervals: followers read every lease. Leads: IsLeader.",
		New: func(n *arena.Node, s Settings) (arena.Candidate, error) {
			return newS3lect(n, s, max(s.Renew, 2*s.Lease), false)
		},
	}
}

func s3lectEqual() Contender {
	c := s3lectDefaults()
	c.Name, c.About = "s3lect, equal intervals", "The same with InfrequentInterval at FrequentInterval: followers read three times a lease."
	c.New = func(n *arena.Node, s Settings) (arena.Candidate, error) { return newS3lect(n, s, s.Renew, false) }
	return c
}

func s3lectPeers() Contender {
	c := s3lectDefaults()
	c.Name, c.About = "s3lect, peer mode", "The same with PeerMode: followers ask the leader, and read storage every third lease."
	c.New = func(n *arena.Node, s Settings) (arena.Candidate, error) {
		return newS3lect(n, s, max(s.Renew, 2*s.Lease), true)
	}
	return c
}

type s3lectCandidate struct {
	node    *arena.Node
	elector *s3lect.S3Elector
	peers   bool
}

func newS3lect(n *arena.Node, s Settings, infrequent time.Duration, peers bool) (*s3lectCandidate, error) {
	storage, err := s3lect.NewS3Storage(n.S3(), arena.Bucket)
	if err != nil {
		return nil, err
	}
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath: s.Key, ServerID: n.Name(), ServerAddr: n.Addr(),
			LeaderTimeout: s.Lease, FrequentInterval: s.Renew, InfrequentInterval: infrequent,
			PeerMode: peers, PeerTimeout: s.Lease / 5,
		},
		Storage: storage, Logger: silent, Env: n.Env(),
	})
	if err != nil {
		return nil, err
	}
	return &s3lectCandidate{n, elector, peers}, nil
}

// Start contests. In peer mode the node answers its peers, too.
func (c *s3lectCandidate) Start() error {
	if c.peers {
		c.node.Serve(s3lect.NewLeadershipHandler(c.elector, silent))
	}
	return c.elector.Start(context.Background())
}

// Stop leaves an error alone, which is that of releasing: the lease lapses then.
func (c *s3lectCandidate) Stop() {
	_ = c.elector.Stop()
	c.node.Serve(nil)
}

// Question is IsLeader.
func (c *s3lectCandidate) Question() func() bool { return c.elector.IsLeader }

func (c *s3lectCandidate) Leads() bool { return c.elector.IsLeader() }
