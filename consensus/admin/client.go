package admin

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

const (
	defaultClientTimeout = 15 * time.Second // longer than a server's
	maxAnswer            = 64 << 20         // bytes of an answer's body

	defaultProbing = time.Second
	probeValidity  = time.Second // for which a server that has answered is believed to go on
)

// ClientOptions say whom a [Client] asks, and how.
type ClientOptions struct {
	// Servers are the URLs of the nodes' APIs, with their prefix, such as "https://10.0.0.1:8080/raft". They are asked in this
	// order. At least one is required.
	Servers []string
	// Token is sent with every request, unless it is empty.
	Token string
	// TLS has the authorities that have signed the servers' certificates, and a certificate of the client's.
	TLS *tls.Config
	// Timeout bounds one call. Defaults to 15s.
	Timeout time.Duration
}

// Client asks the APIs of a cluster's nodes. All methods are safe for concurrent use.
//
// A call asks the first server. Where that cannot be reached, or can certainly not do what is asked, the call goes on
// to the leader, if the answer names its API, and to the next server. What may have been done already is
// never asked again: then the error is a [*consensus.UnknownOutcomeError].
//
// With more than one server, one that has not answered anything for a second is asked for its health first and is
// passed over if it does not answer within a second: a server that hangs would keep the call from the others, and leave
// a change in the dark.
//
// Errors are an [*Error], an [*UnreachableError] or a [*consensus.UnknownOutcomeError].
type Client struct {
	servers []string
	token   string
	timeout time.Duration
	probing time.Duration // for a server to show that it answers at all
	http    *http.Client
	heard   sync.Map // URL of an API to the time.Time of its last answer
}

// NewClient checks the options. It connects to nobody yet.
func NewClient(options ClientOptions) (*Client, error) {
	c := &Client{
		token: options.Token, timeout: cmp.Or(options.Timeout, defaultClientTimeout), probing: defaultProbing,
		http: newSender(options.TLS),
	}
	if len(options.Servers) == 0 {
		return nil, errors.New("ClientOptions.Servers must name at least one server")
	}
	if c.timeout < 0 {
		return nil, fmt.Errorf("ClientOptions.Timeout %v must not be negative", c.timeout)
	}
	if c.token != "" && !usable(c.token) {
		return nil, errors.New("ClientOptions.Token contains a space or something unprintable, and cannot be sent")
	}
	for _, server := range options.Servers {
		base, err := checkAPI(server)
		if err != nil {
			return nil, fmt.Errorf("ClientOptions.Servers: %w", err)
		}
		c.servers = append(c.servers, base)
	}
	return c, nil
}

// Close ends connections that are not in use; others end with their calls. Without it they end after a minute.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// checkAPI returns the URL of an API without a slash at its end, or why it cannot be one.
func checkAPI(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is not a URL", address)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("%q must begin with http:// or https:// and a host", address)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", fmt.Errorf("%q must be a scheme, a host and a path and nothing else", u.Redacted())
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Health asks whether a node runs, or, with ready, whether it is of use at the moment. That it says no is not an error.
func (c *Client) Health(ctx context.Context, ready bool) (Health, error) {
	path := "/health"
	if ready {
		path += "?ready"
	}
	return call[Health](ctx, c, request{method: http.MethodGet, path: path, health: true})
}

// DetailedHealth asks a node for all it knows about its health.
func (c *Client) DetailedHealth(ctx context.Context) (DetailedHealth, error) {
	return call[DetailedHealth](ctx, c, request{method: http.MethodGet, path: "/health/detailed", health: true})
}

// Status asks a node what it knows about the cluster and itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, request{method: http.MethodGet, path: "/status"})
}

// Leader asks who leads. The error is consensus.ErrNoLeader if no node knows.
func (c *Client) Leader(ctx context.Context) (Leader, error) {
	return call[Leader](ctx, c, request{method: http.MethodGet, path: "/leader"})
}

// Nodes asks a node for the members.
func (c *Client) Nodes(ctx context.Context) ([]consensus.NodeInfo, error) {
	answer, err := call[Nodes](ctx, c, request{method: http.MethodGet, path: "/nodes"})
	return answer.Nodes, err
}

// Metrics asks a node for its metrics, in the text format of Prometheus.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	return c.do(ctx, request{method: http.MethodGet, path: "/metrics", text: true})
}

// TransferLeadership has the leader hand over to a voter, or, if id is empty, to any.
func (c *Client) TransferLeadership(ctx context.Context, id string) (Leader, error) {
	return call[Leader](ctx, c, change("/leadership/transfer", transferRequest{id}))
}

// StepDown has the leader hand over to any other voter. Nobody may be known to lead when it returns.
func (c *Client) StepDown(ctx context.Context) (Leader, error) {
	return call[Leader](ctx, c, change("/leadership/stepdown", emptyRequest{}))
}

// Snapshot has one node, the first that answers, take a snapshot.
func (c *Client) Snapshot(ctx context.Context) (Snapshot, error) {
	return call[Snapshot](ctx, c, change("/snapshot", emptyRequest{}))
}

// AddNode adds a member and returns all of them.
func (c *Client) AddNode(ctx context.Context, node consensus.PeerConfig) ([]consensus.NodeInfo, error) {
	answer, err := call[Nodes](ctx, c, change("/nodes/add", addRequest(node)))
	return answer.Nodes, err
}

// RemoveNode removes a member and returns the others.
func (c *Client) RemoveNode(ctx context.Context, id string) ([]consensus.NodeInfo, error) {
	answer, err := call[Nodes](ctx, c, change("/nodes/remove", removeRequest{id}))
	return answer.Nodes, err
}

// Apply has a command committed and applied. Its Data arrives byte for byte.
func (c *Client) Apply(ctx context.Context, command consensus.Command) (Applied, error) {
	data := slices.Clone(command.Data)
	if data == nil {
		data = []byte{}
	}
	return call[Applied](ctx, c, change("/apply", applyRequest{Type: command.Type, DataBase64: &data, Term: command.Term}))
}

// Read asks the state machine of the leader. The query is anything that can be encoded as JSON.
func (c *Client) Read(ctx context.Context, query any) (json.RawMessage, error) {
	return c.read(ctx, query, false)
}

// ReadStale asks the state machine of one node, the first that answers. The answer may be of any age.
func (c *Client) ReadStale(ctx context.Context, query any) (json.RawMessage, error) {
	return c.read(ctx, query, true)
}

func (c *Client) read(ctx context.Context, query any, stale bool) (json.RawMessage, error) {
	encoded, err := encode(query)
	if err != nil {
		return nil, fmt.Errorf("encode the query: %w", err)
	}
	answer, err := call[Answer](ctx, c, request{method: http.MethodPost, path: "/read", body: readRequest{encoded, stale}})
	return answer.Value, err
}
