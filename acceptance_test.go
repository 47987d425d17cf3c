package s3lect_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/s3server"
	"github.com/seed-6dc909bb/s3lect/storagetest"
)

// bucketVariable names a bucket for the acceptance tests: its name, or an s3:// URL with the
// parameters of OpenS3Storage. Credentials come from where all AWS tools take them. Without it the
// tests start a server of their own.
const bucketVariable = "S3LECT_TEST_BUCKET"

// acceptanceURL returns the URL of a part of that bucket that nobody else uses.
func acceptanceURL(t *testing.T) string {
	t.Helper()
	bucket := os.Getenv(bucketVariable)
	if bucket == "" {
		server := s3server.Start(t)
		server.Setenv(t)
		bucket = server.URL(server.NewBucket(t))
	}
	if !strings.Contains(bucket, "://") {
		bucket = "s3://" + bucket
	}
	u, err := url.Parse(bucket)
	require.NoError(t, err)
	return u.JoinPath("s3lect-test-" + strings.ToLower(rand.Text()[:12])).String()
}

func openAcceptance(t *testing.T, url string) *s3lect.S3Storage {
	t.Helper()
	storage, err := s3lect.OpenS3Storage(t.Context(), url)
	require.NoError(t, err)
	return storage
}

// That S3Storage keeps the contract on a real server.
func TestAcceptanceOfStorage(t *testing.T) {
	url := acceptanceURL(t)
	storagetest.Run(t, func(t *testing.T) s3lect.Storage {
		t.Helper()
		return openAcceptance(t, url)
	}, storagetest.TolerateTornReads())
}

func TestAcceptanceOfVerification(t *testing.T) {
	report := verify(t, openAcceptance(t, acceptanceURL(t)))
	for _, check := range report.Checks {
		t.Logf("%-40s passed=%v %s", check.Name, check.Passed, check.Detail)
	}
	t.Logf("read %+v, write %+v, recommended lease %v", report.Read, report.Write, report.LeaderTimeout)
	assert.True(t, report.Safe, "leader election would not be safe here")
	assert.Empty(t, report.LeftBehind)
}

// cable is a way to a storage that can be cut.
type cable struct {
	s3lect.Storage
	cut atomic.Bool
}

var errCut = errors.New("the cable is cut")

func (c *cable) Get(ctx context.Context, key string) ([]byte, string, error) {
	if c.cut.Load() {
		return nil, "", errCut
	}
	return c.Storage.Get(ctx, key)
}

func (c *cable) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if c.cut.Load() {
		return errCut
	}
	return c.Storage.PutIfMatch(ctx, key, data, etag)
}

func TestAcceptanceOfElection(t *testing.T) {
	const leaderTimeout = 5 * time.Second
	url := acceptanceURL(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	candidate := func(id string) (*s3lect.S3Elector, *cable) {
		storage := &cable{Storage: openAcceptance(t, url)}
		e, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
			Config: &s3lect.ElectorConfig{
				LockfilePath: "leader.json", ServerID: id, ServerAddr: "127.0.0.1:8443",
				LeaderTimeout: leaderTimeout, FrequentInterval: time.Second, InfrequentInterval: time.Second,
			},
			Storage: storage,
		})
		require.NoError(t, err)
		require.NoError(t, e.Start(ctx))
		return e, storage
	}

	a, _ := candidate("a")
	require.NoError(t, a.WaitForLeadership(ctx))
	assert.EqualValues(t, 1, a.Term())
	b, bCable := candidate("b")
	_, err := b.WaitForNextElection(ctx, time.Time{})
	require.NoError(t, err)
	assert.Equal(t, "a", b.LeaderID())

	require.NoError(t, a.TransferLeadership(ctx, "b"))
	require.NoError(t, b.WaitForLeadership(ctx))
	assert.False(t, a.IsLeader())
	assert.EqualValues(t, 2, b.Term())

	bCable.cut.Store(true)
	require.NoError(t, a.WaitForLeadership(ctx))
	assert.False(t, b.IsLeader())
	assert.EqualValues(t, 3, a.Term())

	bCable.cut.Store(false)
	require.NoError(t, a.Stop())
	require.NoError(t, b.WaitForLeadership(ctx))
	assert.EqualValues(t, 4, b.Term())
	require.NoError(t, b.Stop())
}
