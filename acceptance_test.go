package s3lect_test

import (
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/storagetest"
)

// bucketVariable names a bucket for the acceptance tests: its name, or an s3:// URL with the
// parameters of OpenS3Storage. Credentials come from where all AWS tools take them.
const bucketVariable = "S3LECT_TEST_BUCKET"

// acceptanceURL returns the URL of a part of that bucket that nobody else uses.
func acceptanceURL(t *testing.T) string {
	t.Helper()
	bucket := os.Getenv(bucketVariable)
	if bucket == "" {
		t.Skip("set " + bucketVariable + " to the name or the s3:// URL of a bucket, as make test-acc does")
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
