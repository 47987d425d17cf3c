package s3lect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var _ interface {
	Storage
	ETagPutter
} = (*S3Storage)(nil)

// fakeServer answers requests in the place of a network.
type fakeServer func(*http.Request) (*http.Response, error)

func (s fakeServer) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func newFakeS3(t *testing.T, s fakeServer, options ...S3StorageOption) *S3Storage {
	t.Helper()
	client := s3.New(s3.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://s3.invalid"),
		UsePathStyle: true,
		// Neither of these must count.
		RetryMaxAttempts:           5,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		Credentials:                credentials.NewStaticCredentialsProvider("access", "secret", ""),
		HTTPClient:                 &http.Client{Transport: s},
	})
	storage, err := NewS3Storage(client, "bucket", options...)
	require.NoError(t, err)
	return storage
}

func respond(status int, body string, headers ...string) *http.Response {
	r := &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func failure(code string) string {
	return fmt.Sprintf(`<?xml version="1.0"?><Error><Code>%s</Code><Message>said the server</Message></Error>`, code)
}

func TestEveryAnswerOfS3HasItsMeaning(t *testing.T) {
	tests := []struct {
		status  int
		code    string
		headers []string
		get     error  // the sentinel, where there is one
		put     error  // the same of a replacement
		says    string // a part of both texts
		saysPut string // where that of a replacement differs
	}{
		{status: 404, code: "NoSuchKey", get: ErrStorageNotFound, put: ErrStoragePrecondition},
		{status: 404, code: "NoSuchBucket", says: `no bucket "bucket"`},
		{status: 404, code: "", says: "check that the endpoint is an S3 server"},
		{status: 404, code: "NotFound", says: "check that the endpoint is an S3 server"},
		{status: 412, code: "PreconditionFailed", put: ErrStoragePrecondition, get: ErrStoragePrecondition},
		{status: 409, code: "ConditionalRequestConflict", says: "not known whether this write landed"},
		{status: 409, code: "", says: "not known whether this write landed"},
		{status: 403, code: "AccessDenied", says: "s3:ListBucket"},
		{status: 403, code: "", says: "no permission"},
		{status: 400, code: "ExpiredToken", says: "credentials have expired"},
		{status: 403, code: "InvalidAccessKeyId", says: "does not accept the credentials"},
		{status: 403, code: "SignatureDoesNotMatch", says: "does not accept the credentials"},
		{status: 403, code: "RequestTimeTooSkewed", says: "clock is wrong"},
		{status: 301, code: "PermanentRedirect", headers: []string{"x-amz-bucket-region", "eu-west-1"}, says: "region=eu-west-1"},
		{status: 301, code: "", headers: []string{"x-amz-bucket-region", "eu-west-1"}, says: "region=eu-west-1"},
		{status: 301, code: "PermanentRedirect", says: "in another region"},
		{status: 400, code: "AuthorizationHeaderMalformed", says: "in another region"},
		{status: 301, code: "", headers: []string{"Location", "https://s3.invalid/"}, says: `redirects to "https://s3.invalid/"`},
		{status: 302, code: "", headers: []string{"Location", "https://login.invalid/"}, says: "correct the endpoint"},
		{status: 308, code: "", headers: []string{"Location", "https://s3.invalid/"}, says: "correct the endpoint"},
		{status: 429, code: "", get: ErrStorageThrottled, put: ErrStorageThrottled},
		{status: 429, code: "TooManyRequests", get: ErrStorageThrottled, put: ErrStorageThrottled},
		{status: 503, code: "SlowDown", get: ErrStorageThrottled, put: ErrStorageThrottled},
		{status: 503, code: "SlowDownWrite", get: ErrStorageThrottled, put: ErrStorageThrottled},
		{status: 503, code: "ServiceUnavailable", says: "the server failed", saysPut: "not known whether"},
		{status: 500, code: "InternalError", says: "the server failed", saysPut: "not known whether"},
		{status: 500, code: "", says: "the server failed", saysPut: "not known whether"},
		{status: 501, code: "NotImplemented", says: "no conditional writes"},
		{status: 400, code: "KeyTooLongError", says: "KeyTooLongError"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status, test.code), func(t *testing.T) {
			requests := 0
			s := newFakeS3(t, func(*http.Request) (*http.Response, error) {
				requests++
				body := ""
				if test.code != "" {
					body = failure(test.code)
				}
				return respond(test.status, body, test.headers...), nil
			})

			_, _, err := s.Get(t.Context(), "leader.json")
			checkError(t, err, test.get, test.says)
			require.Equal(t, 1, requests, "a read is one request")

			if test.saysPut == "" {
				test.saysPut = test.says
			}
			err = s.PutIfMatch(t.Context(), "leader.json", []byte("x"), `"etag"`)
			checkError(t, err, test.put, test.saysPut)
			require.Equal(t, 2, requests, "a conditional write is one request")
		})
	}
}

func checkError(t *testing.T, err, sentinel error, says string) {
	t.Helper()
	require.Error(t, err)
	for _, known := range []error{ErrStorageNotFound, ErrStoragePrecondition, ErrStorageThrottled} {
		assert.Equal(t, errors.Is(sentinel, known), errors.Is(err, known), "is it %q? %v", known, err)
	}
	assert.ErrorContains(t, err, says)
	assert.ErrorContains(t, err, "s3://bucket/leader.json")
}

func TestConditionsAreSentAsHeaders(t *testing.T) {
	var seen http.Header
	record := func(r *http.Request) (*http.Response, error) {
		seen = r.Header.Clone()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		assert.Equal(t, "body", string(body), "the body goes out bare, without a trailing checksum")
		return respond(200, "", "ETag", `"new"`), nil
	}
	tests := []struct {
		name                 string
		options              []S3StorageOption
		etag                 string
		ifMatch, ifNoneMatch string
	}{
		{"create", nil, "", "", "*"},
		{"replace", nil, `"old"`, `"old"`, ""},
		{"replace, unquoted", []S3StorageOption{WithS3UnquotedETags()}, `"old"`, "old", ""},
		{"create, unquoted", []S3StorageOption{WithS3UnquotedETags()}, "", "", "*"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newFakeS3(t, record, test.options...)
			etag, err := s.PutIfMatchETag(t.Context(), "leader.json", []byte("body"), test.etag)
			require.NoError(t, err)
			assert.Equal(t, `"new"`, etag)
			assert.Equal(t, test.ifMatch, seen.Get("If-Match"))
			assert.Equal(t, test.ifNoneMatch, seen.Get("If-None-Match"))
			assert.Empty(t, seen.Get("X-Amz-Trailer"), "a trailing checksum")
			for name := range seen {
				assert.NotContains(t, name, "Checksum")
			}
		})
	}
}

func TestThePrefixIsJoinedWithASlash(t *testing.T) {
	for prefix, path := range map[string]string{"": "/bucket/k", "a": "/bucket/a/k", "a/b/": "/bucket/a/b/k"} {
		s := newFakeS3(t, func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, path, r.URL.Path)
			return respond(200, "body", "ETag", `"e"`), nil
		}, WithS3Prefix(prefix))
		data, etag, err := s.Get(t.Context(), "k")
		require.NoError(t, err)
		assert.Equal(t, "body", string(data))
		assert.Equal(t, `"e"`, etag)
	}
}

func TestAnAttemptIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		s := newFakeS3(t, hang, WithS3AttemptTimeout(3*time.Second))
		start := time.Now()
		_, _, err := s.Get(t.Context(), "leader.json")
		assert.ErrorContains(t, err, "no answer within 3s")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 3*time.Second, time.Since(start))

		err = s.PutIfMatch(t.Context(), "leader.json", nil, "")
		assert.ErrorContains(t, err, "no answer within 3s")
		assert.Equal(t, 6*time.Second, time.Since(start))
	})
}

func TestACallEndsWithItsContextWhileTheServerHangs(t *testing.T) {
	asked := make(chan struct{}, 2)
	s := newFakeS3(t, func(r *http.Request) (*http.Response, error) {
		asked <- struct{}{}
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, _, err := s.Get(ctx, "leader.json")
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "s3://bucket/leader.json")
	assert.ErrorIs(t, s.PutIfMatch(ctx, "leader.json", nil, ""), context.Canceled)
}

func TestABodyThatStallsIsBoundedInTime(t *testing.T) {
	s := newFakeS3(t, func(r *http.Request) (*http.Response, error) {
		stalled := respond(200, "", "ETag", `"e"`)
		stalled.ContentLength = 10
		stalled.Body = stalledBody{r.Context()}
		return stalled, nil
	}, WithS3AttemptTimeout(10*time.Millisecond))
	_, _, err := s.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "no answer within 10ms")
}

type stalledBody struct{ ctx context.Context }

func (b stalledBody) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, b.ctx.Err() }
func (stalledBody) Close() error               { return nil }

func TestATruncatedBodyIsAnError(t *testing.T) {
	s := newFakeS3(t, func(*http.Request) (*http.Response, error) {
		cut := respond(200, "", "ETag", `"e"`)
		cut.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), brokenReader{}))
		return cut, nil
	})
	data, _, err := s.Get(t.Context(), "leader.json")
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Empty(t, data)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAnUnreachableServerIsNamed(t *testing.T) {
	s := newFakeS3(t, func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	})
	_, _, err := s.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "cannot be reached")
	assert.ErrorContains(t, err, "s3.invalid")
}

func TestALargeObjectOnS3IsReadInPartAndNeverWritten(t *testing.T) {
	s := newFakeS3(t, func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, http.MethodGet, r.Method)
		return respond(200, strings.Repeat("x", 3*maxObjectSize), "ETag", `"e"`), nil
	})
	data, _, err := s.Get(t.Context(), "large")
	require.NoError(t, err)
	assert.Len(t, data, maxObjectSize+1)
	assert.ErrorContains(t, s.PutIfMatch(t.Context(), "large", data, ""), "too many")
}

func TestAnAnswerWithoutAnETagIsAnError(t *testing.T) {
	// This is also what a portal or a proxy with a page of its own says to everything.
	s := newFakeS3(t, func(*http.Request) (*http.Response, error) { return respond(200, "<html>Welcome</html>"), nil })
	_, _, err := s.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "no ETag")

	err = s.PutIfMatch(t.Context(), "leader.json", []byte("x"), `"etag"`)
	assert.ErrorContains(t, err, "no ETag")
	assert.ErrorContains(t, err, "not known whether this write landed")
}

func TestNewS3StorageRefusesWhatItCannotUse(t *testing.T) {
	client := s3.New(s3.Options{Region: "us-east-1"})
	_, err := NewS3Storage(nil, "bucket")
	assert.ErrorContains(t, err, "client is nil")
	_, err = NewS3Storage(client, "")
	assert.ErrorContains(t, err, "bucket's name is empty")
	_, err = NewS3Storage(client, "bucket", WithS3Prefix("a//b"))
	assert.ErrorContains(t, err, `"a//b"`)
	_, err = NewS3Storage(client, "bucket", WithS3AttemptTimeout(-time.Second))
	assert.ErrorContains(t, err, "-1s must be positive")
}

func TestAKeyThatIsNoCleanPathMakesNoRequest(t *testing.T) {
	s := newFakeS3(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was made")
		return nil, io.EOF
	})
	for _, key := range []string{"", "/a", "a/", "a//b", "../a", "a/./b", ".", "\xff"} {
		_, _, err := s.Get(t.Context(), key)
		assert.ErrorContains(t, err, "slash-separated path", key)
		assert.ErrorIs(t, err, ErrStorageKey, key)
		assert.ErrorContains(t, s.PutIfMatch(t.Context(), key, nil, ""), "slash-separated path", key)
		assert.ErrorContains(t, s.Delete(t.Context(), key), "slash-separated path", key)
	}
}

func TestDeleteNeedsAClientThatCan(t *testing.T) {
	type narrow struct{ S3Client }
	s, err := NewS3Storage(narrow{s3.New(s3.Options{Region: "us-east-1"})}, "bucket")
	require.NoError(t, err)
	assert.ErrorIs(t, s.Delete(t.Context(), "leader.json"), errors.ErrUnsupported)
}
