package s3server

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryServerAndBucketIsNew(t *testing.T) {
	first, second := Start(t), Start(t)
	assert.NotEqual(t, first.Endpoint, second.Endpoint)
	bucket := first.NewBucket(t)
	assert.NotEqual(t, bucket, first.NewBucket(t))

	_, err := first.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &bucket, Body: strings.NewReader("x")})
	require.NoError(t, err)
	_, err = second.Client().HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket})
	assert.Error(t, err)
}

func TestAServerEndsWithItsTest(t *testing.T) {
	var server *Server
	t.Run("test", func(t *testing.T) {
		server = Start(t)
		require.True(t, server.healthy(t.Context()))
	})
	assert.False(t, server.healthy(t.Context()))
}

func TestTheURLOpensThroughTheEnvironment(t *testing.T) {
	server := &Server{Endpoint: "http://127.0.0.1:1"}
	assert.Equal(t, "s3://b?endpoint=http%3A%2F%2F127.0.0.1%3A1&region=us-east-1", server.URL("b"))
	server.Setenv(t)
	for _, variable := range server.Environ() {
		assert.Contains(t, variable, "=")
	}
}
