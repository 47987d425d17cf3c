package rounds

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

const (
	// ResultHeader is on every answer and names what it is: the Result of one that tells something,
	// the Code of one that tells why not. An answer without it is not from here, but from a proxy
	// or another server, whatever its status.
	ResultHeader = "S3lect-Result"

	// StateHeader is on the answers without a body, for those who have asked for JSON, and has the
	// [State] as JSON.
	StateHeader = "S3lect-State"
)

// Codes say for programs why a request was not answered with success.
const (
	CodeBadIdentifier    = "bad_identifier"     // 400: the system or the round cannot be named so
	CodeBadCandidate     = "bad_candidate"      // 400: the candidate cannot be named so
	CodeBadBody          = "bad_body"           // 400: the request's body could not be read
	CodeNotElected       = "not_elected"        // 400: complete by one who was not elected
	CodeAlreadyCompleted = "already_completed"  // 400: another one has recorded its completion
	CodeUnauthorized     = "unauthorized"       // 401: no token, or none that is accepted
	CodeCrossSite        = "cross_site"         // 403: a browser asks on behalf of another site's page
	CodeNotFound         = "not_found"          // 404: no such path
	CodeMethodNotAllowed = "method_not_allowed" // 405
	CodeSlowBody         = "slow_body"          // 408: the request's body did not arrive in time
	CodeTooLarge         = "too_large"          // 413: the request's body is too large
	CodeRateLimited      = "rate_limited"       // 429: too many requests for the system
	CodeUndecided        = "undecided"          // 500: could not tell; ask again
	CodeBadRecord        = "bad_record"         // 500: the storage has something else in the round's place
)

// answer is what a request is answered.
type answer struct {
	status  int
	outcome string // the Result
	code    string // why it was not a success; empty if it was
	text    string // the body for those who do not ask for JSON
	state   *State // the body for those who do
	won     bool
	header  http.Header
	err     error
}

// refuse answers a request that cannot be answered as it is. The error is told to the requester.
func refuse(status int, code string, err error) *answer {
	outcome := ResultBadRequest
	switch code {
	case CodeUnauthorized, CodeRateLimited:
		outcome = code
	case CodeNotElected, CodeAlreadyCompleted:
		outcome = ResultRefused
	}
	return &answer{status: status, outcome: outcome, code: code, text: err.Error() + "\n", err: err}
}

// failed answers an error of Rounds. What a storage has said about its inner affairs is for the log
// and not for everybody who asks.
func failed(err error, candidate Candidate) *answer {
	var name *IdentifierError
	var elected *NotElectedError
	var completed *AlreadyCompletedError
	var foreign *RecordError
	switch {
	case errors.As(err, &name) && isCandidateField(name.Field):
		return refuse(http.StatusBadRequest, CodeBadCandidate, name)
	case errors.As(err, &name):
		return refuse(http.StatusBadRequest, CodeBadIdentifier, name)
	case errors.As(err, &elected):
		return refuse(http.StatusBadRequest, CodeNotElected, elected)
	case errors.As(err, &completed):
		return refuse(http.StatusBadRequest, CodeAlreadyCompleted, completed)
	case errors.As(err, &foreign):
		return &answer{
			status: http.StatusInternalServerError, outcome: ResultError, code: CodeBadRecord, err: err,
			text: "could not tell: what is stored for this round is not a record of it; asking again is of no use before somebody has moved it away\n",
		}
	default:
		reason := "could not tell: the storage has not answered, or not clearly, in time; ask again"
		if candidate.ID == "" && candidate.Address != "" {
			reason += ", best with an identity (" + candidateHeader + "), with which the answer is certain"
		}
		given := &answer{status: http.StatusInternalServerError, outcome: ResultError, code: CodeUndecided, text: reason + "\n", err: err}
		return given.with("Retry-After", seconds(time.Second))
	}
}

func (a *answer) with(header, value string) *answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(header, value)
	return a
}

// Values of headers that answers share.
var (
	noStore    = []string{"no-store"}
	noSniff    = []string{"nosniff"}
	inText     = []string{"text/plain; charset=utf-8"}
	inJSONType = []string{"application/json"}
)

// send writes the answer. Its error is the connection's.
func (a *answer) send(w http.ResponseWriter, inJSON bool) error {
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	header["Cache-Control"] = noStore
	header["X-Content-Type-Options"] = noSniff
	header.Set(ResultHeader, cmp.Or(a.code, a.outcome))
	body := []byte(a.text)
	if inJSON {
		body = a.json()
	}
	if a.status == http.StatusNoContent {
		if inJSON {
			header.Set(StateHeader, string(body))
		}
		w.WriteHeader(a.status)
		return nil
	}
	header["Content-Type"] = inText
	if inJSON {
		header["Content-Type"] = inJSONType
		body = append(body, '\n')
	}
	w.WriteHeader(a.status)
	_, err := w.Write(body) //nolint:gosec // it is plain text or JSON, and nosniff says so
	return err
}

// success is the JSON of an answer that tells something.
type success struct {
	*State
	Won bool `json:"won,omitempty"`
}

// failure is the JSON of an answer that tells why not.
type failure struct {
	Error string `json:"error"`
	Code  string `json:"code"`
	// Elected and Completed are who was, if that is the reason.
	Elected   *Event `json:"elected,omitempty"`
	Completed *Event `json:"completed,omitempty"`
}

func (a *answer) json() []byte {
	var body any = success{a.state, a.won}
	if a.code != "" {
		why := failure{Error: a.text[:len(a.text)-1], Code: a.code}
		var elected *NotElectedError
		if errors.As(a.err, &elected) {
			why.Elected = elected.Elected
		}
		var completed *AlreadyCompletedError
		if errors.As(a.err, &completed) {
			why.Completed = &completed.Completed
		}
		body = why
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings, numbers and times of this century can always be encoded
	}
	return encoded
}

func isCandidateField(field string) bool {
	return field == "candidate ID" || field == "candidate address"
}

// where is the address, or the ID of one who has none.
func (e *Event) where() string { return cmp.Or(e.Address, e.ID) }
