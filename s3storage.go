package s3lect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// DefaultS3AttemptTimeout bounds each request of an [S3Storage] that is not told otherwise.
const DefaultS3AttemptTimeout = 10 * time.Second

// Spellings of ETags in the URL of an S3Storage.
const (
	etagAsGiven  = "as-given"
	etagUnquoted = "unquoted"
)

// S3Client is what an [S3Storage] needs of an S3 client; *s3.Client has it.
type S3Client interface {
	GetObject(ctx context.Context, params *s3.GetObjectInput, optFns ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(ctx context.Context, params *s3.PutObjectInput, optFns ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// s3Deleter is the further ability of a client that Delete needs.
type s3Deleter interface {
	DeleteObject(ctx context.Context, params *s3.DeleteObjectInput, optFns ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

// S3Storage is a [Storage] on a bucket of S3, or of a server that speaks its protocol, by
// conditional requests (If-Match and If-None-Match on PutObject). It has the capabilities
// [ETagPutter], [Lister] and [Deleter], as far as its client has them. Not every server that speaks the protocol heeds the conditions: [VerifyStorage]
// finds out.
//
// Each call is one request. The SDK's own retries are off, whatever the client is configured for: a
// conditional write that is sent again reports a precondition failure for what its first copy
// wrote, and an elector paces both reads and writes itself. Redirects are not followed. Checksums beyond those that S3 requires
// are off too, since some servers refuse them.
//
// Keys and the prefix must be slash-separated paths without empty, "." or ".." segments and without
// a slash at either end: some servers keep objects as files, and would take others for the same.
// Objects have at most 1 MiB; of a larger one that somebody else put there, Get returns the first
// 1 MiB and one byte.
//
// The caller needs the permissions s3:GetObject and s3:PutObject on the objects, and s3:ListBucket
// on the bucket: without that one, AWS answers "access denied" for an object that does not exist.
//
// Errors name bucket and key, say what to do, and wrap those of the SDK. All methods are safe for
// concurrent use.
type S3Storage struct {
	client   S3Client
	http     s3.HTTPClient // of an *s3.Client, but does not follow redirects; nil for other clients
	bucket   string
	prefix   string // empty, or ends with a slash
	timeout  time.Duration
	unquoted bool
	pageSize int32 // of lists; 0 for what the server takes for right
}

// S3StorageOption changes how an [S3Storage] behaves.
type S3StorageOption func(*S3Storage)

// WithS3Prefix keeps all objects below a prefix, which is joined with each key by a slash.
// Defaults to none.
func WithS3Prefix(prefix string) S3StorageOption {
	return func(s *S3Storage) { s.prefix = prefix }
}

// WithS3AttemptTimeout bounds each request. The context of a call may bound it further, and that of
// an elector does. Defaults to 10s.
func WithS3AttemptTimeout(timeout time.Duration) S3StorageOption {
	return func(s *S3Storage) { s.timeout = timeout }
}

// WithS3UnquotedETags sends ETags back without the quotation marks they came with. Some servers
// (Ceph's radosgw among them) otherwise refuse every conditional replacement, while others want the
// marks. [VerifyStorage] finds out. Defaults to sending them as they came.
func WithS3UnquotedETags() S3StorageOption {
	return func(s *S3Storage) { s.unquoted = true }
}

// NewS3Storage returns a storage on a bucket, through a client that the caller has configured. It
// makes no request. See [OpenS3Storage] for one that configures the client too.
func NewS3Storage(client S3Client, bucket string, options ...S3StorageOption) (*S3Storage, error) {
	s := &S3Storage{client: client, http: withoutRedirects(client), bucket: bucket, timeout: DefaultS3AttemptTimeout}
	for _, option := range options {
		option(s)
	}
	switch {
	case client == nil:
		return nil, errors.New("new S3 storage: the client is nil")
	case bucket == "":
		return nil, errors.New("new S3 storage: the bucket's name is empty")
	case s.timeout <= 0:
		return nil, fmt.Errorf("new S3 storage: the attempt timeout %v must be positive", s.timeout)
	}
	if s.prefix == "" {
		return s, nil
	}
	s.prefix = strings.TrimSuffix(s.prefix, "/")
	if err := checkKeyPath(s.prefix); err != nil {
		return nil, fmt.Errorf("new S3 storage: prefix: %w", err)
	}
	s.prefix += "/"
	return s, nil
}

// Get implements [Storage].
func (s *S3Storage) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	ctx, call, err := s.begin(ctx, "read", key)
	if err != nil {
		return nil, "", err
	}
	defer call.end()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &call.key}, s.oneAttempt)
	if err != nil {
		return nil, "", call.failed(err)
	}
	defer out.Body.Close()
	if data, err = readBounded(out.Body); err != nil {
		return nil, "", call.failed(fmt.Errorf("read the body: %w", err))
	}
	if aws.ToString(out.ETag) == "" {
		return nil, "", call.failed(errors.New("the server gave no ETag, so it cannot be used for leader election"))
	}
	return data, *out.ETag, nil
}

// PutIfMatch implements [Storage].
func (s *S3Storage) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := s.PutIfMatchETag(ctx, key, data, etag)
	return err
}

// PutIfMatchETag implements [ETagPutter].
func (s *S3Storage) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (newETag string, err error) {
	ctx, call, err := s.begin(ctx, "write", key)
	if err != nil {
		return "", err
	}
	defer call.end()
	if err := checkObjectSize(data); err != nil {
		return "", call.failed(err)
	}
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: &call.key, Body: bytes.NewReader(data)}
	if etag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = aws.String(s.spell(etag))
		call.replaces = true
	}
	out, err := s.client.PutObject(ctx, in, s.oneAttempt)
	if err != nil {
		return "", call.failed(err)
	}
	if aws.ToString(out.ETag) == "" {
		return "", call.failed(errors.New("the answer has no ETag, so it may not come from an S3 server, and it is not known whether this write landed; read back"))
	}
	return *out.ETag, nil
}

// Delete implements [Deleter]. It needs the permission s3:DeleteObject.
func (s *S3Storage) Delete(ctx context.Context, key string) error {
	ctx, call, err := s.begin(ctx, "delete", key)
	if err != nil {
		return err
	}
	defer call.end()
	client, ok := s.client.(s3Deleter)
	if !ok {
		return call.failed(fmt.Errorf("the client %T has no DeleteObject: %w", s.client, errors.ErrUnsupported))
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &call.key}, s.oneAttempt); err != nil {
		return call.failed(err)
	}
	return nil
}

func (s *S3Storage) spell(etag string) string {
	if s.unquoted {
		return strings.Trim(etag, `"`)
	}
	return etag
}

// respelled returns a storage that differs in how it sends ETags, for a verification to try.
func (s *S3Storage) respelled() (other Storage, spelling, otherSpelling string) {
	respelled := *s
	respelled.unquoted = !s.unquoted
	if s.unquoted {
		return &respelled, etagUnquoted, etagAsGiven
	}
	return &respelled, etagAsGiven, etagUnquoted
}

// oneAttempt holds for a single request, so that it also holds for a client that the caller made.
func (s *S3Storage) oneAttempt(o *s3.Options) {
	o.Retryer = aws.NopRetryer{}
	if s.http != nil {
		o.HTTPClient = s.http
	}
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.DisableLogOutputChecksumValidationSkipped = true
}

// withoutRedirects returns a client's HTTP client in a form that takes a redirect for an answer. The
// SDK's own form follows those of reads without a limit, in a loop as fast as it can.
func withoutRedirects(client S3Client) s3.HTTPClient {
	sdk, isSDK := client.(*s3.Client)
	if !isSDK {
		return nil
	}
	own := sdk.Options().HTTPClient
	if buildable, isDefault := own.(*awshttp.BuildableClient); isDefault {
		own = buildable.Freeze()
	}
	following, isStandard := own.(*http.Client)
	if !isStandard {
		return own
	}
	direct := *following
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &direct
}

// s3Call is one request and what its errors have to name.
type s3Call struct {
	storage  *S3Storage
	verb     string
	key      string // with the prefix
	replaces bool   // a write that asks for a version
	caller   context.Context
	end      context.CancelFunc
}

func (s *S3Storage) begin(ctx context.Context, verb, key string) (context.Context, *s3Call, error) {
	attempt, call := s.attempt(ctx, verb, key)
	if err := checkKeyPath(key); err != nil {
		call.end()
		return nil, nil, call.failed(err)
	}
	return attempt, call, nil
}

// attempt begins a call whose key needs not be one, but may be the beginning of some.
func (s *S3Storage) attempt(ctx context.Context, verb, key string) (context.Context, *s3Call) {
	call := &s3Call{storage: s, verb: verb, key: s.prefix + key, caller: ctx}
	ctx, call.end = context.WithTimeout(ctx, s.timeout)
	return ctx, call
}
