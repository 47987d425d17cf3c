package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// forwardedHeader is on a request that a follower hands on, and names it. Such a request is never handed on again.
const forwardedHeader = "S3lect-Forwarded"

// What became of a request that was handed on.
const (
	forwardAnswered    = "answered"
	forwardUnreachable = "unreachable" // and not done
	forwardUnknown     = "unknown"     // done or not
)

// forwarder asks the leader in place of the client.
type forwarder struct {
	id   func() string // of this node
	http *http.Client
}

func newForwarder(id func() string, options Options) *forwarder {
	return &forwarder{id, newSender(options.ForwardTLS)}
}

// target returns the API to hand a request on to, after this node has answered that another one leads; empty for none. A token
// that came encrypted does not go on in the clear.
func (f *forwarder) target(given *answer, req *http.Request) string {
	if f == nil || given.failure == nil || given.failure.Code != CodeNotLeader || req.Header.Get(forwardedHeader) != "" {
		return ""
	}
	api, err := checkAPI(given.failure.LeaderAPI)
	if err != nil || req.TLS != nil && !isSecure(api) {
		return ""
	}
	return api
}

// ask hands a request on and returns the leader's answer as it is. Nothing of the client's request goes on but path, body and
// token: headers such as Idempotency-Key would have net/http send it twice.
func (f *forwarder) ask(ctx context.Context, api string, from *http.Request, to *route, body []byte) *answer {
	req, err := http.NewRequestWithContext(ctx, to.method, api+to.path, bytes.NewReader(body))
	if err != nil {
		return unreached(to, false, err)
	}
	req.Header.Set("Content-Type", jsonType)
	req.Header.Set(forwardedHeader, cmp.Or(f.id(), "unknown"))
	if token := from.Header.Get("Authorization"); token != "" {
		req.Header.Set("Authorization", token)
	}
	response, sent, err := send(f.http, req)
	if err != nil {
		return unreached(to, sent, err)
	}
	defer response.Body.Close()
	answered, err := readAll(response.Body)
	switch {
	case err != nil:
		return unreached(to, true, err)
	case response.StatusCode < 400 && response.StatusCode != http.StatusOK || !isJSONType(response.Header.Get("Content-Type")):
		return unreached(to, true, fmt.Errorf("%s has answered %s, and not as this API does", api, response.Status))
	}
	given := &answer{status: response.StatusCode, encoded: answered, forwarded: forwardAnswered}
	for _, name := range []string{"Location", "Retry-After", "Www-Authenticate"} {
		if value := response.Header.Get(name); value != "" {
			given.with(name, value)
		}
	}
	return given
}

// unreached answers a request to which the leader has not.
func unreached(to *route, sent bool, err error) *answer {
	err = fmt.Errorf("hand the request on to the leader: %w", err)
	if sent && to.changes {
		given := failed(&consensus.UnknownOutcomeError{Err: err}, to)
		given.forwarded = forwardUnknown
		return given
	}
	given := refuse(CodeLeaderUnreachable, err).with("Retry-After", retryAfter)
	if errors.Is(err, context.DeadlineExceeded) {
		given = refuse(CodeTimeout, err)
	}
	given.failure.Retryable = true
	given.forwarded = forwardUnreachable
	return given
}
