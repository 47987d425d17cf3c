package s3lect

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withoutAWS hides the settings of the machine that the tests run on.
func withoutAWS(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		t.Setenv(name, "")
	}
	missing := filepath.Join(t.TempDir(), "missing")
	t.Setenv("AWS_CONFIG_FILE", missing)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", missing)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func optionsOf(t *testing.T, s *S3Storage) s3.Options {
	t.Helper()
	client, ok := s.client.(*s3.Client)
	require.True(t, ok)
	return client.Options()
}

func TestAnS3URLSaysEverything(t *testing.T) {
	withoutAWS(t)
	s, err := OpenS3Storage(t.Context(), "s3://bucket/some/prefix/?region=eu-west-1&endpoint=http://127.0.0.1:9000&path-style=false&etag=unquoted&timeout=3s")
	require.NoError(t, err)
	assert.Equal(t, "bucket", s.bucket)
	assert.Equal(t, "some/prefix/", s.prefix)
	assert.Equal(t, 3*time.Second, s.timeout)
	assert.True(t, s.unquoted)
	o := optionsOf(t, s)
	assert.Equal(t, "eu-west-1", o.Region)
	assert.Equal(t, "http://127.0.0.1:9000", aws.ToString(o.BaseEndpoint))
	assert.False(t, o.UsePathStyle)
}

func TestAnS3URLFillsInDefaults(t *testing.T) {
	withoutAWS(t)
	s, err := OpenS3Storage(t.Context(), "s3://bucket?endpoint=http://127.0.0.1:9000")
	require.NoError(t, err)
	assert.Empty(t, s.prefix)
	assert.Equal(t, DefaultS3AttemptTimeout, s.timeout)
	assert.False(t, s.unquoted)
	o := optionsOf(t, s)
	assert.Equal(t, "us-east-1", o.Region)
	assert.True(t, o.UsePathStyle)

	t.Setenv("AWS_REGION", "eu-west-3")
	s, err = OpenS3Storage(t.Context(), "s3://bucket?etag=as-given")
	require.NoError(t, err)
	o = optionsOf(t, s)
	assert.Equal(t, "eu-west-3", o.Region)
	assert.False(t, o.UsePathStyle)

	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9001")
	s, err = OpenS3Storage(t.Context(), "s3://bucket")
	require.NoError(t, err)
	assert.True(t, optionsOf(t, s).UsePathStyle, "an endpoint of the environment counts")
}

func TestAProfileIsTakenFromTheSharedFiles(t *testing.T) {
	withoutAWS(t)
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte("[profile team]\nregion = eu-north-1\n"), 0o600))
	t.Setenv("AWS_CONFIG_FILE", file)
	s, err := OpenS3Storage(t.Context(), "s3://bucket?profile=team")
	require.NoError(t, err)
	assert.Equal(t, "eu-north-1", optionsOf(t, s).Region)

	_, err = OpenS3Storage(t.Context(), "s3://bucket?profile=other&region=eu-north-1")
	assert.ErrorContains(t, err, "other")
}

func TestBadS3URLsAreExplainedWithoutRepeatingSecrets(t *testing.T) {
	withoutAWS(t)
	tests := map[string]string{
		"":                                     `scheme is ""`,
		"http://bucket":                        `scheme is "http"`,
		"s3:bucket":                            "names no bucket",
		"s3://":                                "names no bucket",
		"s3:///prefix":                         "names no bucket",
		"s3://%zz":                             "cannot be parsed",
		"s3://127.0.0.1:9000/bucket":           "endpoint=http://127.0.0.1:9000",
		"s3://bucket/a#b":                      "%23",
		"s3://access:S3CRET@bucket":            "holds credentials",
		"s3://bucket?secret-access-key=S3CRET": `unknown parameter "secret-access-key"; known are endpoint, etag, path-style, profile, region, timeout`,
		"s3://bucket?Region=x":                 `unknown parameter "Region"`,
		"s3://bucket?region=a&region=b":        "2 times",
		"s3://bucket?region=":                  `"region" is empty`,
		"s3://bucket?a;b":                      "parameters cannot be parsed",
		"s3://bucket?endpoint=127.0.0.1:9000":  "must be a URL",
		"s3://bucket?endpoint=ftp://h":         "must be a URL",
		"s3://bucket?endpoint=http://u:S3CRET@host": "holds credentials",
		"s3://bucket?path-style=maybe":              "true or false",
		"s3://bucket?etag=bare":                     "as-given or unquoted",
		"s3://bucket?timeout=5":                     "such as 5s",
		"s3://bucket?timeout=-5s":                   "such as 5s",
		"s3://bucket":                               "no region",
	}
	for address, says := range tests {
		_, err := OpenS3Storage(t.Context(), address)
		require.Error(t, err, address)
		assert.ErrorContains(t, err, says, address)
		assert.NotContains(t, err.Error(), "S3CRET")
	}
}

func TestMissingCredentialsAreNamedAsSuch(t *testing.T) {
	withoutAWS(t)
	s, err := OpenS3Storage(t.Context(), "s3://bucket?endpoint=http://127.0.0.1:1")
	require.NoError(t, err)
	_, _, err = s.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "no credentials")
	assert.ErrorContains(t, err, "AWS_PROFILE")
	assert.ErrorContains(t, s.PutIfMatch(t.Context(), "leader.json", nil, ""), "no credentials")
}

func TestCredentialsRefusedByAnotherServerAreNamedAsSuch(t *testing.T) {
	refused := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}}},
			Err:      errors.New("no role"),
		}
	})
	for name, provider := range map[string]aws.CredentialsProvider{
		"of the URL's client":    markedCredentials{refused},
		"of the caller's client": refused,
		"cached":                 aws.NewCredentialsCache(refused),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewS3Storage(s3.New(s3.Options{Region: "us-east-1", Credentials: provider}), "bucket")
			require.NoError(t, err)
			_, _, err = s.Get(t.Context(), "leader.json")
			assert.ErrorContains(t, err, "no credentials")
			assert.NotContains(t, err.Error(), "check that the endpoint")
		})
	}
}

func TestTheSDKLogsNothingByItself(t *testing.T) {
	withoutAWS(t)
	s, err := OpenS3Storage(t.Context(), "s3://bucket?endpoint=http://127.0.0.1:1")
	require.NoError(t, err)
	client, isSDK := s.client.(*s3.Client)
	require.True(t, isSDK)
	assert.Equal(t, logging.Nop{}, client.Options().Logger)
}

func TestCredentialsThatTakeTooLongAreNamedAsSuch(t *testing.T) {
	hang := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		<-ctx.Done()
		return aws.Credentials{}, ctx.Err()
	})
	client := s3.New(s3.Options{
		Region:      "us-east-1",
		Credentials: markedCredentials{hang},
		HTTPClient: &http.Client{Transport: fakeServer(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("a request was made")
		})},
	})
	s, err := NewS3Storage(client, "bucket", WithS3AttemptTimeout(10*time.Millisecond))
	require.NoError(t, err)
	_, _, err = s.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "no credentials")
}

func TestAnUnreachableEndpointIsNamed(t *testing.T) {
	withoutAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	s, err := OpenS3Storage(t.Context(), "s3://bucket?endpoint=http://127.0.0.1:1")
	require.NoError(t, err)
	_, _, err = s.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "cannot be reached")
	assert.ErrorContains(t, err, "127.0.0.1:1")
}

func TestARedirectIsNotFollowed(t *testing.T) {
	withoutAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	for _, status := range []int{301, 302, 303, 307, 308} {
		var requests atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			http.Redirect(w, r, r.URL.Path, status) // for ever
		}))
		s, err := OpenS3Storage(t.Context(), "s3://bucket?endpoint="+server.URL)
		require.NoError(t, err)
		_, _, err = s.Get(t.Context(), "leader.json")
		assert.ErrorContains(t, err, `redirects to "/bucket/leader.json"`)
		err = s.PutIfMatch(t.Context(), "leader.json", []byte("x"), "")
		assert.ErrorContains(t, err, `redirects to "/bucket/leader.json"`)
		assert.EqualValues(t, 2, requests.Load(), "each call is one request, also for status %d", status)
		server.Close()
	}
}

func TestAWriteIsSentOnceWhateverBecomesOfIt(t *testing.T) {
	withoutAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	for fate, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"no answer":        func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"connection reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusInternalServerError)
			assert.NoError(t, http.NewResponseController(w).Flush())
			panic(http.ErrAbortHandler)
		},
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"503": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
	} {
		t.Run(fate, func(t *testing.T) {
			var writes atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					w.Header().Set("ETag", `"etag"`)
					return
				}
				writes.Add(1)
				_, err := io.Copy(io.Discard, r.Body)
				assert.NoError(t, err)
				answer(w, r)
			}))
			defer server.Close()
			s, err := OpenS3Storage(t.Context(), "s3://bucket?timeout=300ms&endpoint="+server.URL)
			require.NoError(t, err)
			_, _, err = s.Get(t.Context(), "leader.json") // leaves a connection that is used again
			require.NoError(t, err)
			err = s.PutIfMatch(t.Context(), "leader.json", []byte("x"), `"etag"`)
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrStoragePrecondition)
			assert.EqualValues(t, 1, writes.Load())
		})
	}
}
