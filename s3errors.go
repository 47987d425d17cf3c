package s3lect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// credentialsError marks errors of looking for credentials, which else look like those of a request.
type credentialsError struct{ error }

func (e credentialsError) Unwrap() error { return e.error }

// failed says what an error of the SDK means for the caller of a storage.
func (c *s3Call) failed(err error) error {
	name := fmt.Sprintf("%s s3://%s/%s", c.verb, c.storage.bucket, c.key)
	if ended := c.caller.Err(); ended != nil {
		return fmt.Errorf("%s: %w (%w)", name, ended, err)
	}
	if aboutCredentials(err) {
		return fmt.Errorf("%s: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role: %w", name, err)
	}
	answer := answerOf(err)
	if meaning := c.meaning(answer); meaning != nil {
		return fmt.Errorf("%s: %w", name, meaning) // an everyday event, which needs no details
	}
	if answer.throttles() {
		return fmt.Errorf("%s: %w: %w", name, ErrStorageThrottled, err)
	}
	if advice := c.advice(answer, err); advice != "" {
		return fmt.Errorf("%s: %s: %w", name, advice, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// aboutCredentials reports whether no credentials could be got. Whatever status such an error has is
// that of another server, which was asked for them. Credentials of a client that the caller made
// are known by the SDK's words only.
func aboutCredentials(err error) bool {
	if errors.As(err, new(credentialsError)) {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "get identity: ") || strings.Contains(text, "get credentials: ") ||
		strings.Contains(text, "failed to refresh cached credentials")
}

// s3Answer is what a server said; its status is 0 if there was no answer.
type s3Answer struct {
	status   int
	code     string
	region   string // that of the bucket
	location string // of a redirect
}

func answerOf(err error) s3Answer {
	var answer s3Answer
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		answer.status = response.HTTPStatusCode()
		answer.region = response.Response.Header.Get("X-Amz-Bucket-Region")
		answer.location = response.Response.Header.Get("Location")
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		answer.code = api.ErrorCode()
	}
	return answer
}

// meaning returns the sentinel for an answer of the contract, or nil. Only a missing key is "not
// found": a missing bucket, or a 404 of something that is no S3 server, must not look like a vacant
// leadership.
func (c *s3Call) meaning(a s3Answer) error {
	switch {
	case a.code == "NoSuchKey" && c.verb == "read":
		return ErrStorageNotFound
	case a.code == "NoSuchKey" && c.replaces, a.status == http.StatusPreconditionFailed:
		return ErrStoragePrecondition
	}
	return nil
}

func (a s3Answer) throttles() bool {
	return a.status == http.StatusTooManyRequests ||
		strings.HasPrefix(a.code, "SlowDown") || strings.HasPrefix(a.code, "Throttl") ||
		a.code == "TooManyRequests" || a.code == "RequestLimitExceeded"
}

// advice says what to do about an answer that is in the way of electing at all.
func (c *s3Call) advice(a s3Answer, err error) string {
	switch a.code {
	case "NoSuchBucket":
		return fmt.Sprintf("there is no bucket %q; create it, or correct the name or the endpoint", c.storage.bucket)
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return "the credentials have expired; renew them"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken":
		return "the server does not accept the credentials; check which profile and endpoint they belong to"
	case "RequestTimeTooSkewed":
		return "this machine's clock is wrong; set it"
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return a.elsewhere()
	case "ConditionalRequestConflict", "OperationAborted":
		return "a conflicting request was under way, so it is not known whether this write landed; read back"
	}
	switch {
	case a.status == http.StatusMovedPermanently, a.status == http.StatusFound, a.status == http.StatusSeeOther,
		a.status == http.StatusTemporaryRedirect, a.status == http.StatusPermanentRedirect:
		return a.elsewhere()
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return "no permission; the credentials need s3:GetObject and s3:PutObject on this object, and s3:ListBucket on the bucket, without which a missing object is answered like this too"
	case a.status == http.StatusNotFound:
		return "neither bucket nor key is named in this answer; check that the endpoint is an S3 server"
	case a.status == http.StatusConflict:
		return "a conflict, so it is not known whether this write landed; read back"
	case a.status == http.StatusNotImplemented:
		return "the server knows no conditional writes, so leader election is not possible on it"
	case a.status >= http.StatusInternalServerError && c.verb != "read" && c.verb != "list":
		return "the server failed, so it is not known whether this write landed; read back"
	case a.status >= http.StatusInternalServerError:
		return "the server failed; try again"
	case a.status != 0:
		return ""
	}
	return c.adviceWithoutAnswer(err)
}

func (c *s3Call) adviceWithoutAnswer(err error) string {
	var network interface{ Timeout() bool } // net.Error, but for a method that is deprecated
	var sending *smithyhttp.RequestSendError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v; check the network and the endpoint", c.storage.timeout)
	case errors.As(err, &sending), errors.As(err, &network):
		return "the server cannot be reached; check the network and the endpoint"
	}
	return ""
}

// elsewhere says where a request should have gone. Only S3 knows of regions; any other server
// redirects, to https for example, because the endpoint is not quite right.
func (a s3Answer) elsewhere() string {
	switch {
	case a.region != "":
		return fmt.Sprintf("the bucket is in region %q; use that one (region=%s in the URL)", a.region, a.region)
	case a.location != "":
		return fmt.Sprintf("the server redirects to %q; correct the endpoint, or the region", a.location)
	}
	return "the bucket is in another region; name that one"
}
