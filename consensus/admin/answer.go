package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

const retryAfter = "1" // second; an election takes about as long

// answer is what a request is answered.
type answer struct {
	status  int
	header  http.Header // besides the usual
	body    any         // is encoded, unless it is encoded already
	encoded []byte
	failure *Failure // if it is one of this node

	forwarded string // what became of asking the leader; empty if it was not asked
}

func succeed(body any) *answer { return &answer{status: http.StatusOK, body: body} }

// refuse answers a request that has not been done.
func refuse(code string, err error) *answer {
	failure := &Failure{Text: err.Error(), Code: code}
	return &answer{status: statuses[code], body: failure, failure: failure}
}

// failed answers an error of the node.
func failed(err error, to *route) *answer {
	given := refuse(codeOf(err), err)
	failure := given.failure
	failure.UnknownOutcome = failure.Code == CodeUnknownOutcome
	failure.Retryable = consensus.IsRetryable(err) && failure.Code != CodeMachineError || failure.Code == CodeTimeout
	if failure.Code == CodeElectionTimeout {
		failure.Retryable = false // leadership may still pass on, and whoever is asked then would give it up again
	}
	switch failure.Code {
	case CodeNotLeader:
		if there := (*consensus.NotLeaderError)(nil); errors.As(err, &there) {
			failure.Leader, failure.LeaderAddress, failure.LeaderAPI = there.LeaderID, there.LeaderAddress, there.LeaderAPI
		}
		if api, err := checkAPI(failure.LeaderAPI); err == nil {
			given.with("Location", api+to.path)
		}
	case CodeNoLeader, CodeNoQuorum, CodeElectionTimeout:
		given.with("Retry-After", retryAfter)
	case CodeMachineError:
		if refused := (*consensus.MachineError)(nil); errors.As(err, &refused) {
			failure.Index = refused.Index
		}
	}
	return given
}

func codeOf(err error) string {
	if refused := (*consensus.MachineError)(nil); errors.As(err, &refused) {
		return CodeMachineError // whatever the machine's error looks like
	}
	for _, known := range sentinels {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return CodeTimeout // or the node would have said that the outcome is unknown
	}
	return CodeInternal
}

func (a *answer) with(header, value string) *answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(header, value)
	return a
}

// send writes the answer. Its error is the connection's.
func (a *answer) send(w http.ResponseWriter) error {
	body := a.encoded
	if body == nil {
		var err error
		if body, err = encode(a.body); err != nil {
			panic(err) // all of it is made of what can be encoded
		}
		body = append(body, '\n')
	}
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", jsonType)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	_, err := w.Write(body) //nolint:gosec // it is JSON or metrics, and nosniff says so
	return err
}
