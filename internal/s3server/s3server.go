// Package s3server runs a real S3 server, versitygw, for tests.
package s3server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

const (
	accessKey = "testaccess"
	secretKey = "testsecret"
	region    = "us-east-1"

	startTimeout = 30 * time.Second
	portAttempts = 5 // another process may take the port that was just found free
)

// Server is a running S3 server that lives as long as a test.
type Server struct {
	// Endpoint is its URL, such as "http://127.0.0.1:34567".
	Endpoint string
	// Process is the server's, for tests that stop it.
	Process *os.Process
}

// Start starts a server on a free port of 127.0.0.1 and on a directory of its own. Both end with
// the test. Where no server can be had, the test is skipped, and fails if CI is "true".
func Start(tb testing.TB) *Server {
	tb.Helper()
	binary, err := find()
	if err != nil {
		unavailable(tb, err)
	}
	for attempt := 1; ; attempt++ {
		server, err := start(tb, binary)
		if err == nil {
			return server
		}
		if attempt == portAttempts {
			unavailable(tb, err)
		}
	}
}

func unavailable(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("no S3 server: %v", err)
	}
	tb.Skipf("no S3 server: %v", err)
}

func start(tb testing.TB, binary string) (*Server, error) {
	tb.Helper()
	address, err := freeAddress(tb.Context())
	if err != nil {
		return nil, err
	}
	work := tb.TempDir()
	data := filepath.Join(work, "data")
	require.NoError(tb, os.Mkdir(data, 0o700))
	var output bytes.Buffer
	// The test's context ends before its cleanups run, which still may need the server.
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), binary,
		"--access", accessKey, "--secret", secretKey, "--region", region,
		"--port", address, "--health", "/healthz", "--keep-alive", "--quiet",
		"posix", data)
	cmd.Dir = work
	cmd.Env = []string{"HOME=" + work, "TMPDIR=" + work}
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the server is killed in any case; what it wrote says more
		close(ended)
	}()
	stop := func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	server := &Server{Endpoint: "http://" + address, Process: cmd.Process}
	if err := server.awaitReady(tb.Context(), ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w; it wrote: %s", err, &output)
	}
	tb.Cleanup(stop)
	return server, nil
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (s *Server) awaitReady(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if s.healthy(ctx) {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready within %v", startTimeout)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) healthy(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+"/healthz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// NewBucket creates a bucket that nobody else uses.
func (s *Server) NewBucket(tb testing.TB) string {
	tb.Helper()
	bucket := "test-" + strings.ToLower(rand.Text())
	_, err := s.Client().CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(tb, err)
	return bucket
}

// Client returns a client of the server. Options may change it, its HTTP transport for example.
func (s *Server) Client(options ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		Region:       region,
		BaseEndpoint: aws.String(s.Endpoint),
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	}, options...)
}

// URL returns the storage URL of a bucket, for processes with the environment of [Server.Environ].
func (s *Server) URL(bucket string) string { return URL(bucket, s.Endpoint) }

// URL is that of a bucket behind another endpoint, such as a proxy in front of the server.
func URL(bucket, endpoint string) string {
	query := url.Values{"endpoint": {endpoint}, "region": {region}}
	return "s3://" + bucket + "?" + query.Encode()
}

// Environ returns the variables that give a process access to the server, and hide any other
// access that this machine has.
func (*Server) Environ() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_SESSION_TOKEN=",
		"AWS_REGION=" + region, "AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// Setenv gives this process that access until the test ends.
func (s *Server) Setenv(tb testing.TB) {
	tb.Helper()
	for _, variable := range s.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		tb.Setenv(name, value)
	}
}
