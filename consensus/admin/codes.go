package admin

import "net/http"

// Codes say for programs why a request was not answered with success. They do not change; the texts beside them may.
const (
	CodeBadRequest           = "bad_request"            // 400: it cannot be understood, or makes no sense
	CodeUnauthorized         = "unauthorized"           // 401: no token or certificate, or none that is accepted
	CodeUnguarded            = "unguarded"              // 403: nobody may, because nothing tells who may
	CodeCrossSite            = "cross_site"             // 403: a browser asks on behalf of another site's page
	CodeNotFound             = "not_found"              // 404: no such path
	CodeNodeNotFound         = "node_not_found"         // 404: no such member
	CodeMethodNotAllowed     = "method_not_allowed"     // 405: see the header Allow
	CodeSlowBody             = "slow_body"              // 408: the request's body did not arrive in time
	CodeStaleTerm            = "stale_term"             // 409: the command was bound to a term that is over
	CodePeerExists           = "peer_exists"            // 409: the node, or its address, is a member already
	CodeInsufficientPeers    = "insufficient_peers"     // 409: too few voters would be left, or are there
	CodeBodyTooLarge         = "body_too_large"         // 413: more than Options.MaxBody
	CodeCommandTooLarge      = "command_too_large"      // 413: more than consensus.WithMaxCommandSize
	CodeUnsupportedMediaType = "unsupported_media_type" // 415: the body is not application/json
	CodeNotLeader            = "not_leader"             // 421: ask the leader, which is named
	CodeMachineError         = "machine_error"          // 422: the state machine has refused the command or the query
	CodeInternal             = "internal"               // 500: a fault, of this package or of the state machine; see the log
	CodeSnapshotFailed       = "snapshot_failed"        // 500: see the log
	CodeLeaderUnreachable    = "leader_unreachable"     // 502: the request could not be forwarded; nothing has been done
	CodeNoLeader             = "no_leader"              // 503: nobody leads, or nobody that is known
	CodeNoQuorum             = "no_quorum"              // 503: no majority of the voters answers
	CodeStopped              = "stopped"                // 503: the node is not running
	CodeElectionTimeout      = "election_timeout"       // 503: nobody was elected in time
	CodeStorageUnavailable   = "storage_unavailable"    // 503: the node's storage has failed, and it stops
	CodeLogInconsistent      = "log_inconsistent"       // 503: the node's log is damaged, and it stops
	CodeMachineFailed        = "machine_failed"         // 503: the node's state machine has panicked, and it stops
	CodeUnknownOutcome       = "unknown_outcome"        // 504: it may be done or not, now or later
	CodeTimeout              = "timeout"                // 504: not done in time; the same can be asked again
)

// statuses of the codes.
var statuses = map[string]int{
	CodeBadRequest:           http.StatusBadRequest,
	CodeUnauthorized:         http.StatusUnauthorized,
	CodeUnguarded:            http.StatusForbidden,
	CodeCrossSite:            http.StatusForbidden,
	CodeNotFound:             http.StatusNotFound,
	CodeNodeNotFound:         http.StatusNotFound,
	CodeMethodNotAllowed:     http.StatusMethodNotAllowed,
	CodeSlowBody:             http.StatusRequestTimeout,
	CodeStaleTerm:            http.StatusConflict,
	CodePeerExists:           http.StatusConflict,
	CodeInsufficientPeers:    http.StatusConflict,
	CodeBodyTooLarge:         http.StatusRequestEntityTooLarge,
	CodeCommandTooLarge:      http.StatusRequestEntityTooLarge,
	CodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	CodeNotLeader:            http.StatusMisdirectedRequest,
	CodeMachineError:         http.StatusUnprocessableEntity,
	CodeInternal:             http.StatusInternalServerError,
	CodeSnapshotFailed:       http.StatusInternalServerError,
	CodeLeaderUnreachable:    http.StatusBadGateway,
	CodeNoLeader:             http.StatusServiceUnavailable,
	CodeNoQuorum:             http.StatusServiceUnavailable,
	CodeStopped:              http.StatusServiceUnavailable,
	CodeElectionTimeout:      http.StatusServiceUnavailable,
	CodeStorageUnavailable:   http.StatusServiceUnavailable,
	CodeLogInconsistent:      http.StatusServiceUnavailable,
	CodeMachineFailed:        http.StatusServiceUnavailable,
	CodeUnknownOutcome:       http.StatusGatewayTimeout,
	CodeTimeout:              http.StatusGatewayTimeout,
}
