package rounds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxReply is far more than any answer has.
const maxReply = 64 << 10

// RefusedError says that a server does not answer the question, for a reason that asking again does
// not change.
type RefusedError struct {
	Server string // the URL from [ClientOptions]
	Status int
	Code   string // one of the Code constants
	Reason string // the server's
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s refuses: %.200q (%d %.40q)", e.Server, e.Reason, e.Status, e.Code)
}

// question is what a client wants to know.
type question struct{ operation, system, round, id string }

// reply is what it was told.
type reply struct {
	result string
	state  State
}

// ask makes one request. If again is not nil, nothing is known and asking again makes sense.
func (c *Client) ask(ctx context.Context, server string, q question) (got reply, again *retry, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.requestTimeout)
	defer cancel()
	method := http.MethodGet
	if q.operation == "complete" {
		method = http.MethodPost
	}
	target := server + apiPath + q.operation + "/" + url.PathEscape(q.system) + "/" + url.PathEscape(q.round)
	req, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return reply{}, nil, err
	}
	req.Header.Set(candidateHeader, q.id)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cache-Control", "no-store")
	req.Header.Set("User-Agent", "s3lect")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(req)
	if err != nil {
		return reply{}, &retry{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err == nil && len(body) > maxReply {
		err = fmt.Errorf("the answer has more than %d bytes", maxReply)
	}
	if err != nil {
		return reply{}, &retry{}, fmt.Errorf("%s: read the answer: %w", server, err)
	}
	if response.StatusCode < 300 {
		got, err = q.understand(response, body)
		if err != nil {
			return reply{}, retryOf(response), doubt(server, response, err)
		}
		return got, nil, nil
	}
	err = q.refusal(server, response, body)
	if errors.Is(err, errDoubt) || passes(response) {
		return reply{}, retryOf(response), err
	}
	return reply{}, nil, err
}

// passes reports whether the reason for which a server does not answer may be gone the next time.
func passes(response *http.Response) bool {
	return response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode >= 500 && response.Header.Get(ResultHeader) != CodeBadRecord
}

// errDoubt is about an answer that cannot be a server's of rounds, or is not about the question.
var errDoubt = errors.New("is this a server of rounds? a proxy on the way must pass the headers S3lect-... on")

func doubt(server string, response *http.Response, err error) error {
	return fmt.Errorf("%s answered %d: %w; %w", server, response.StatusCode, err, errDoubt)
}

// understand believes an answer only if it names itself, and says of this very question what an
// answer with its status says.
func (q question) understand(response *http.Response, body []byte) (reply, error) {
	got := reply{result: response.Header.Get(ResultHeader)}
	if got.result == "" {
		return reply{}, errors.New("it has no header " + ResultHeader)
	}
	if response.StatusCode == http.StatusNoContent {
		body = []byte(response.Header.Get(StateHeader))
	}
	if err := json.Unmarshal(body, &got.state); err != nil {
		return reply{}, fmt.Errorf("it tells no state: %w", err)
	}
	if got.state.System != q.system || got.state.Round != q.round {
		return reply{}, fmt.Errorf("it tells of round %.150q of %.150q", got.state.Round, got.state.System)
	}
	mine := func(e *Event) bool { return e != nil && e.is(Candidate{ID: q.id}) }
	elected, completed := got.state.Elected, got.state.Completed
	contents := map[string]bool{
		"elect 202 " + ResultElected:     mine(elected),
		"elect 204 " + ResultNotElected:  elected != nil && !mine(elected),
		"elected 200 " + ResultKnown:     elected != nil,
		"elected 204 " + ResultNobody:    elected == nil,
		"complete 200 " + ResultRecorded: mine(completed),
		"completed 200 " + ResultKnown:   completed != nil,
		"completed 204 " + ResultNobody:  completed == nil,
	}
	if !contents[fmt.Sprintf("%s %d %s", q.operation, response.StatusCode, got.result)] {
		return reply{}, fmt.Errorf("as an answer to %s, %q contradicts itself", q.operation, got.result)
	}
	return got, nil
}

// refusal is the error that a server has answered.
func (q question) refusal(server string, response *http.Response, body []byte) error {
	var why failure
	code := response.Header.Get(ResultHeader)
	switch err := json.Unmarshal(body, &why); {
	case code == "":
		return doubt(server, response, errors.New("it has no header "+ResultHeader))
	case err != nil || why.Code != code:
		return doubt(server, response, errors.New("it does not say why"))
	}
	refused := &RefusedError{Server: server, Status: response.StatusCode, Code: code, Reason: why.Error}
	switch {
	case code == CodeBadIdentifier:
		return &IdentifierError{"round", q.round, "is refused: " + refused.Error()}
	case code == CodeBadCandidate:
		return &IdentifierError{"candidate ID", q.id, "is refused: " + refused.Error()}
	case code == CodeNotElected && q.operation == "complete":
		return &NotElectedError{why.Elected}
	case code == CodeAlreadyCompleted && q.operation == "complete":
		if why.Completed == nil {
			return doubt(server, response, errors.New("it does not say by whom"))
		}
		return &AlreadyCompletedError{*why.Completed}
	default:
		return refused
	}
}
