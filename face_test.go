package s3lect_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
)

// The public face, as programs in the wild use it. That this file compiles is the test: whoever has
// to change a line of it breaks somebody's program.
var (
	_ error = s3lect.ErrStorageNotFound
	_ error = s3lect.ErrStoragePrecondition

	_ s3lect.Storage = (interface {
		Get(ctx context.Context, key string) (data []byte, etag string, err error)
		PutIfMatch(ctx context.Context, key string, data []byte, etag string) error
	})(nil)

	// Both ways: neither may gain a method.
	_ s3lect.Elector = (face)(nil)
	_ face           = (s3lect.Elector)(nil)
	_ face           = (*s3lect.S3Elector)(nil)
	_ additions      = (*s3lect.S3Elector)(nil)

	_ = s3lect.ElectorConfig{
		LockfilePath: "", ServerID: "", ServerAddr: "",
		FrequentInterval:    time.Duration(0),
		InfrequentInterval:  time.Duration(0),
		LeaderTimeout:       time.Duration(0),
		PeerMode:            false,
		PeerHealthPath:      "",
		PeerTimeout:         time.Duration(0),
		PeerCACert:          []byte(nil),
		OnAcquireLeadership: (func(ctx context.Context) error)(nil),
		OnLoseLeadership:    (func(ctx context.Context) error)(nil),
	}
	_ func(*s3lect.ElectorConfig) error = (*s3lect.ElectorConfig).Validate

	_ = s3lect.LeaderRecord{
		LeaderID: "", LeaderAddr: "",
		LastUpdated: time.Time{},
		Metadata:    s3lect.LeaderRecordMetadata{ETag: ""},
	}
	_ = s3lect.LeadershipStatus{
		ServerID: "", LockfilePath: "",
		IsLeader: false,
		LeaderID: "", LeaderAddr: "",
		LeaderLastSeen: time.Time{}, LastElectionTime: time.Time{},
		ConsecutiveFails: 0,
	}

	_ = s3lect.S3ElectorOptions{Config: (*s3lect.ElectorConfig)(nil), Storage: (s3lect.Storage)(nil), Logger: (*slog.Logger)(nil)}

	_ func(s3lect.S3ElectorOptions) (*s3lect.S3Elector, error) = s3lect.NewS3Elector

	_ = s3lect.HealthServerConfig{
		BindAddress: "",
		Certificate: tls.Certificate{},
		Elector:     (s3lect.Elector)(nil),
		Logger:      (*slog.Logger)(nil),
	}
	_ func(s3lect.HealthServerConfig) (*s3lect.HealthServer, error) = s3lect.NewHealthServer
	_ func(*s3lect.HealthServer, context.Context) error             = (*s3lect.HealthServer).Start
	_ func(*s3lect.HealthServer, context.Context) error             = (*s3lect.HealthServer).Stop
	_ func(s3lect.Elector, *slog.Logger) http.HandlerFunc           = s3lect.NewLeadershipHandler

	_ func() *s3lect.MockStorage                = s3lect.NewMock
	_ func(string) (*s3lect.MockStorage, error) = s3lect.NewMockStorage
	_ s3lect.Storage                            = (*s3lect.MockStorage)(nil)
	_ func(*s3lect.MockStorage) error           = (*s3lect.MockStorage).Cleanup

	_ func(context.Context, string) (*s3lect.S3Storage, error) = s3lect.OpenS3Storage
	_ s3lect.Storage                                           = (*s3lect.S3Storage)(nil)
	_ s3lect.ETagPutter                                        = (*s3lect.S3Storage)(nil)
)

type face interface {
	Start(ctx context.Context) error
	Stop() error
	IsLeader() bool
	WaitForLeadership(ctx context.Context) error
	WaitForNextElection(ctx context.Context, since time.Time) (*s3lect.LeadershipStatus, error)
	LeaderID() string
	GetLeadershipStatus() *s3lect.LeadershipStatus
	EnablePeerMode(caCert []byte) error
	UpdateConfig(newConfig s3lect.ElectorConfig) error
	GetConfig() *s3lect.ElectorConfig
}

type additions interface {
	Lead(ctx context.Context, work func(ctx context.Context, term int64) error) error
	Term() int64
	Remaining() time.Duration
	Resign(ctx context.Context) error
	TransferLeadership(ctx context.Context, serverID string) error
	Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus]
	RegisterObserver(ctx context.Context, id string, metadata map[string]string) error
	UpdateHeartbeat(ctx context.Context, id string) error
	UnregisterObserver(ctx context.Context, id string) error
	GetActiveObservers(ctx context.Context) (int, error)
	Observers(ctx context.Context) ([]s3lect.Observer, error)
}

func TestRecordKeepsTheFieldNamesThatOlderSoftwareReads(t *testing.T) {
	data, err := json.Marshal(s3lect.LeaderRecord{
		LeaderID: "a", LeaderAddr: "h:1", LastUpdated: time.Unix(0, 0).UTC(),
		Metadata: s3lect.LeaderRecordMetadata{ETag: "never in the object"},
	})
	require.NoError(t, err)
	assert.JSONEq(t, `{"leaderID":"a","leaderAddr":"h:1","lastUpdated":"1970-01-01T00:00:00Z"}`, string(data))
}

func TestStatusKeepsItsFieldNames(t *testing.T) {
	data, err := json.Marshal(s3lect.LeadershipStatus{})
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(data, &fields))
	for _, name := range []string{
		"serverID", "lockfilePath", "isLeader", "leaderID", "leaderAddr", "leaderLastSeen", "lastElectionTime", "consecutiveFails",
	} {
		assert.Contains(t, fields, name)
	}
}
