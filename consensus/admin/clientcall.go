package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// request is what a client asks.
type request struct {
	method, path string
	body         any  // nil for none
	changes      bool // something, so that it must not be done twice
	health       bool // 503 is an answer, too
	text         bool // the answer is not JSON
}

func change(path string, body any) request {
	return request{method: http.MethodPost, path: path, body: body, changes: true}
}

// call decodes the answer to a request.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	var answer T
	body, err := c.do(ctx, r)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(body, &answer); err != nil { // it was seen to be JSON, so somebody else has answered
		return answer, fmt.Errorf("answer to %s is not of this API: %w", r.path, err)
	}
	return answer, nil
}

// do asks one server after the other until one does what is asked.
func (c *Client) do(ctx context.Context, r request) ([]byte, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = encode(r.body); err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var all []error
	for _, server := range c.servers {
		answer, err := c.ask(ctx, server, r, body)
		if leader := leaderBehind(err, server); leader != "" {
			answer, err = c.follow(ctx, leader, r, body, err)
		}
		if err == nil || !isUndone(err, r) || ctx.Err() != nil {
			return answer, err
		}
		all = append(all, err)
	}
	return nil, mostTelling(all)
}

// follow asks the leader that a server has named. If it cannot be reached, what the server said is still worth knowing.
func (c *Client) follow(ctx context.Context, leader string, r request, body []byte, named error) ([]byte, error) {
	answer, err := c.ask(ctx, leader, r, body)
	if unreachable := (*UnreachableError)(nil); errors.As(err, &unreachable) {
		return nil, fmt.Errorf("%w; %w", named, err)
	}
	return answer, err
}

// leaderBehind returns the API of the leader that the answer of a server names, if it may be asked. Credentials that were
// sent encrypted are not sent in the clear.
func leaderBehind(err error, server string) string {
	var answered *Error
	if !errors.As(err, &answered) || answered.Code != CodeNotLeader || answered.LeaderAPI == "" {
		return ""
	}
	leader, err := checkAPI(answered.LeaderAPI)
	if err != nil || isSecure(server) && !isSecure(leader) {
		return ""
	}
	return leader
}

func isSecure(api string) bool { return strings.HasPrefix(api, "https:") }

// isUndone says whether another server can be asked without doing anything twice.
func isUndone(err error, r request) bool {
	var unreachable *UnreachableError
	var answered *Error
	switch {
	case errors.Is(err, consensus.ErrUnknownOutcome):
		return false
	case errors.As(err, &unreachable), !r.changes && !errors.As(err, &answered):
		return true
	case errors.As(err, &answered):
		if r.changes && answered.Code == CodeTimeout {
			return false // it was tried, and what came of it is in the answer
		}
		return answered.Retryable || answered.Code == CodeStopped || !r.changes && answered.Status >= 500
	}
	return false
}

// mostTelling prefers what a server has said to that another one could not be asked.
func mostTelling(all []error) error {
	for i := len(all) - 1; i >= 0; i-- {
		var answered *Error
		if errors.As(all[i], &answered) {
			return all[i]
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// ask asks one server once.
func (c *Client) ask(ctx context.Context, server string, r request, body []byte) ([]byte, error) {
	if err := c.probe(ctx, server); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, server+r.path, bytes.NewReader(body))
	if err != nil {
		return nil, &UnreachableError{server, err}
	}
	if body != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, sent, err := send(c.http, req)
	if err != nil {
		return nil, broken(server, r, sent, err)
	}
	defer response.Body.Close()
	answer, err := readAll(response.Body)
	if err != nil {
		return nil, broken(server, r, true, err)
	}
	c.heard.Store(server, time.Now())
	return judge(server, r, response, answer)
}

// probe makes sure that a server answers, if there are others. It sends no credentials.
func (c *Client) probe(ctx context.Context, server string) error {
	if last, ok := c.heard.Load(server); len(c.servers) == 1 || ok && isRecent(last) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.probing)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/health", http.NoBody)
	if err != nil {
		return &UnreachableError{server, err}
	}
	response, _, err := send(c.http, req)
	if err == nil {
		defer response.Body.Close()
		_, err = readAll(response.Body)
	}
	if err != nil {
		return broken(server, request{}, false, err)
	}
	c.heard.Store(server, time.Now())
	return nil
}

func isRecent(last any) bool {
	at, ok := last.(time.Time)
	return ok && time.Since(at) < probeValidity
}

// readAll reads an answer that is not too large.
func readAll(body io.Reader) ([]byte, error) {
	answer, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	return answer, err
}

// broken is the error of a request to which there is no answer.
func broken(server string, r request, sent bool, err error) error {
	if network := (*url.Error)(nil); errors.As(err, &network) {
		err = network.Err // it repeats method and URL
	}
	if sent && r.changes {
		return &consensus.UnknownOutcomeError{Err: fmt.Errorf("%s has not answered: %w", server, err)}
	}
	return &UnreachableError{server, err}
}

// judge tells answers of this API, good or bad, from those of proxies and other servers.
func judge(server string, r request, response *http.Response, body []byte) ([]byte, error) {
	isJSON := isJSONType(response.Header.Get("Content-Type")) && json.Valid(body)
	failure := Failure{}
	switch {
	case response.StatusCode == http.StatusOK && (isJSON || r.text):
		return body, nil
	case isJSON && json.Unmarshal(body, &failure) == nil && failure.Code != "":
		return nil, &Error{server, response.StatusCode, failure}
	case isJSON && r.health && response.StatusCode == http.StatusServiceUnavailable:
		return body, nil
	}
	if strings.Contains(string(body), "HTTP request to an HTTPS server") {
		return nil, &UnreachableError{server, errors.New("it speaks TLS: use https:// in its address")}
	}
	foreign := fmt.Errorf("%s has answered %s, and not as this API does: is its prefix right?", server, response.Status)
	if r.changes && (response.StatusCode < 400 || response.StatusCode >= 500) {
		return nil, &consensus.UnknownOutcomeError{Err: foreign} // of a proxy that may have handed the request on
	}
	return nil, &UnreachableError{server, foreign}
}
