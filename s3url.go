package s3lect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// regionOfOthers is what servers other than AWS take as their region, unless told another.
const regionOfOthers = "us-east-1"

// OpenS3Storage opens a storage from a URL, with credentials and settings from where all AWS tools
// take them: the environment, the shared configuration files, the machine's role. It makes no
// request to the bucket. The URL is
//
//	s3://bucket/prefix?parameter=value&...
//
// in which the prefix may be missing, and the parameters are
//
//   - region: the bucket's region; defaults to that of the environment or profile, and with an
//     endpoint to "us-east-1";
//   - endpoint: the http or https URL of a server that is not AWS;
//   - path-style: true or false, whether the bucket's name is in the path rather than in the host
//     name; defaults to true where there is an endpoint, else to false;
//   - etag: "as-given" or "unquoted" (see [WithS3UnquotedETags]); defaults to "as-given";
//   - profile: of the shared configuration files; defaults to AWS_PROFILE;
//   - timeout: of each request, such as 5s (see [WithS3AttemptTimeout]); defaults to 10s.
//
// Credentials have no place in the URL, since URLs end up in logs and process lists.
func OpenS3Storage(ctx context.Context, url string) (*S3Storage, error) {
	u, err := parseS3URL(url)
	if err != nil {
		return nil, fmt.Errorf("S3 storage URL: %w", err)
	}
	client, err := u.newClient(ctx)
	if err != nil {
		return nil, fmt.Errorf("open S3 storage on bucket %q: %w", u.bucket, err)
	}
	return NewS3Storage(client, u.bucket, u.options...)
}

type s3URL struct {
	bucket    string
	region    string
	endpoint  string
	profile   string
	pathStyle *bool
	options   []S3StorageOption
}

// parseS3URL never quotes the URL, which may hold a secret that should not be there.
func parseS3URL(address string) (*s3URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("it cannot be parsed; write it as in s3://bucket/prefix?region=eu-central-1, with special characters escaped by %")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("it holds credentials; take them out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile")
	case u.Scheme != "s3":
		return nil, fmt.Errorf("the scheme is %q instead of \"s3\"", u.Scheme)
	case u.Host == "":
		return nil, errors.New("it names no bucket; write it as in s3://bucket/prefix?region=eu-central-1")
	case u.Port() != "":
		return nil, fmt.Errorf("a bucket has no port; for a server of your own write s3://BUCKET?endpoint=http://%s", u.Host)
	case u.Fragment != "":
		return nil, errors.New("it has a fragment; write a number sign as %23")
	}
	parsed := &s3URL{bucket: u.Host}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		parsed.options = append(parsed.options, WithS3Prefix(prefix))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its parameters cannot be parsed; escape special characters by %")
	}
	for name, values := range query {
		if err := parsed.set(name, values); err != nil {
			return nil, fmt.Errorf("bucket %q: %w", u.Host, err)
		}
	}
	return parsed, nil
}

var s3Parameters = map[string]func(u *s3URL, value string) error{
	"region":     func(u *s3URL, value string) error { u.region = value; return nil },
	"profile":    func(u *s3URL, value string) error { u.profile = value; return nil },
	"endpoint":   (*s3URL).setEndpoint,
	"path-style": (*s3URL).setPathStyle,
	"etag":       (*s3URL).setETagSpelling,
	"timeout":    (*s3URL).setTimeout,
}

func (u *s3URL) set(name string, values []string) error {
	set, known := s3Parameters[name]
	switch {
	case !known:
		list := slices.Sorted(maps.Keys(s3Parameters))
		return fmt.Errorf("unknown parameter %q; known are %s; credentials come from the environment or a profile", name, strings.Join(list, ", "))
	case len(values) != 1:
		return fmt.Errorf("parameter %q is given %d times", name, len(values))
	case values[0] == "":
		return fmt.Errorf("parameter %q is empty", name)
	}
	return set(u, values[0])
}

func (u *s3URL) setEndpoint(value string) error {
	endpoint, err := url.Parse(value)
	switch {
	case err == nil && endpoint.User != nil:
		return errors.New("the endpoint holds credentials; take them out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case err != nil, endpoint.Host == "", endpoint.Scheme != "http" && endpoint.Scheme != "https":
		return errors.New("the endpoint must be a URL such as http://127.0.0.1:9000")
	}
	u.endpoint = value
	return nil
}

func (u *s3URL) setPathStyle(value string) error {
	pathStyle, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("path-style is %q; it must be true or false", value)
	}
	u.pathStyle = &pathStyle
	return nil
}

func (u *s3URL) setETagSpelling(value string) error {
	switch value {
	case etagAsGiven:
	case etagUnquoted:
		u.options = append(u.options, WithS3UnquotedETags())
	default:
		return fmt.Errorf("etag is %q; it must be as-given or unquoted", value)
	}
	return nil
}

func (u *s3URL) setTimeout(value string) error {
	timeout, err := time.ParseDuration(value)
	if err != nil || timeout <= 0 {
		return fmt.Errorf("timeout is %q; it must be a positive duration such as 5s", value)
	}
	u.options = append(u.options, WithS3AttemptTimeout(timeout))
	return nil
}

func (u *s3URL) newClient(ctx context.Context) (*s3.Client, error) {
	// The SDK would write warnings to standard error, whatever this program logs to.
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if u.profile != "" {
		load = append(load, config.WithSharedConfigProfile(u.profile))
	}
	if u.region != "" {
		load = append(load, config.WithRegion(u.region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	cfg.Credentials = markedCredentials{cfg.Credentials}
	client := s3.NewFromConfig(cfg, u.apply)
	if client.Options().Region == "" {
		return nil, errors.New("no region; add region=... to the URL, or set AWS_REGION")
	}
	return client, nil
}

// apply sees the endpoint of the environment or profile, if there is one.
func (u *s3URL) apply(o *s3.Options) {
	if u.endpoint != "" {
		o.BaseEndpoint = &u.endpoint
	}
	if o.BaseEndpoint != nil {
		o.UsePathStyle = true
		if o.Region == "" {
			o.Region = regionOfOthers
		}
	}
	if u.pathStyle != nil {
		o.UsePathStyle = *u.pathStyle
	}
}

// markedCredentials tells errors of its provider apart from those of a request.
type markedCredentials struct{ aws.CredentialsProvider }

func (m markedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := m.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return credentials, credentialsError{err}
	}
	return credentials, nil
}
