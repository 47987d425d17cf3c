package consul

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

// The recording is of Consul in this version. A new one is made where that is installed, with
//
//	go test ./discovery/consul -run 'TestRecordingIsWhatConsulAnswers' -record
const (
	recorded      = "1.20.6"
	recordingFile = "testdata/consul-" + recorded + ".json"
)

var record = flag.Bool("record", false, "write testdata anew from an agent of Consul")

// recording is a conversation between the discovery and an agent, and requests made by hand to one without and one
// with access control lists.
type recording struct {
	Version      string     `json:"version"`
	Conversation []exchange `json:"conversation"`
	ByHand       []exchange `json:"byHand"`
	Protected    []exchange `json:"protected"`
}

type exchange struct {
	Method string            `json:"method"`
	Path   string            `json:"path"` // with the query
	Token  string            `json:"token,omitempty"`
	Sent   string            `json:"sent,omitempty"`
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// The tokens are made up for the agent of the recording.
const (
	managementToken = "11111111-2222-3333-4444-555555555555"
	limitedToken    = "22222222-2222-3333-4444-555555555555"
)

func loadRecording(t *testing.T) recording {
	t.Helper()
	data, err := os.ReadFile(recordingFile)
	require.NoError(t, err)
	var r recording
	require.NoError(t, json.Unmarshal(data, &r))
	require.Equal(t, recorded, r.Version)
	return r
}

// converse is what the discovery does in the recorded conversation.
func converse(t *testing.T, address string) {
	t.Helper()
	d, err := New(Options{Address: address, Service: "raft"})
	require.NoError(t, err)
	require.NoError(t, d.Start(t.Context()))
	n1 := discovery.Node{ID: "n1", Address: "10.0.0.1", Port: 7000, Voter: true}
	n2 := discovery.Node{ID: "n/2ü", Address: "::1", Port: 7001, Tags: map[string]string{"zone": "a b"}}
	expect := func(expected ...discovery.Node) {
		t.Helper()
		nodes, err := d.GetNodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, append([]discovery.Node{}, expected...), nodes)
	}
	expect()
	require.NoError(t, d.Register(t.Context(), n1))
	expect(n1)
	require.NoError(t, d.Register(t.Context(), n2))
	expect(n2, n1)
	n1.Port = 7002
	require.NoError(t, d.Register(t.Context(), n1))
	expect(n2, n1)
	require.NoError(t, d.Unregister(t.Context(), "n1"))
	require.NoError(t, d.Unregister(t.Context(), "n1"))
	expect(n2)
	require.NoError(t, d.Stop(t.Context()))
}

// byHand are requests to an agent, in their order. INDEX stands for the index of the answer before.
var byHand = []exchange{
	{Method: "GET", Path: "/v1/health/service/raft?passing=true"},
	{Method: "PUT", Path: "/v1/agent/service/register", Sent: `{"ID":"raft:n1","Name":"raft","Address":"10.0.0.1","Port":7000,` +
		`"Meta":{"node-id":"n1"},"Check":{"TTL":"1m","Status":"passing"}}`},
	{Method: "GET", Path: "/v1/health/service/raft?passing=true"},
	{Method: "GET", Path: "/v1/health/service/raft?index=1&passing=true&wait=10s"},
	{Method: "GET", Path: "/v1/health/service/raft?index=INDEX&passing=true&wait=200ms"},
	{Method: "GET", Path: "/v1/health/service/raft?index=100000&passing=true&wait=200ms"}, // goes backwards
	{Method: "PUT", Path: "/v1/agent/check/update/service:raft:n1", Sent: `{"Status":"passing"}`},
	{Method: "PUT", Path: "/v1/agent/check/update/service:raft:n9", Sent: `{"Status":"passing"}`},
	{Method: "PUT", Path: "/v1/agent/service/deregister/raft:n9"},
	{Method: "PUT", Path: "/v1/agent/service/register", Sent: `{"ID":"raft:n2","Name":"raft","Meta":{"a b":"c"}}`},
	// The instance's check is not confirmed, and it is off the list.
	{Method: "PUT", Path: "/v1/agent/service/register", Sent: `{"ID":"raft:n1","Name":"raft","Address":"10.0.0.1","Port":7000,` +
		`"Meta":{"node-id":"n1"},"Check":{"TTL":"3s","Status":"passing"}}`},
	{Method: "GET", Path: "/v1/health/service/raft?passing=true"},
	{Method: "GET", Path: "/v1/health/service/raft?index=INDEX&passing=true&wait=10s"},
	{Method: "PUT", Path: "/v1/agent/check/update/service:raft:n1", Sent: `{"Status":"passing"}`},
	{Method: "PUT", Path: "/v1/agent/service/deregister/raft:n1"},
	{Method: "GET", Path: "/v1/health/service/raft?passing=true"},
	{Method: "GET", Path: "/v1/health/service/raft?dc=nowhere&passing=true"},
}

// protected are requests to an agent with access control lists.
var protected = []exchange{
	{Method: "PUT", Path: "/v1/agent/service/register", Token: managementToken, Sent: `{"ID":"raft:n1","Name":"raft","Address":"10.0.0.1",` +
		`"Port":7000,"Meta":{"node-id":"n1"}}`},
	{Method: "GET", Path: "/v1/health/service/raft?passing=true", Token: managementToken},
	{Method: "GET", Path: "/v1/health/service/raft?passing=true"},
	{Method: "GET", Path: "/v1/health/service/raft?passing=true", Token: "00000000-1111-1111-1111-111111111111"},
	{Method: "GET", Path: "/v1/health/service/raft?passing=true", Token: limitedToken},
	{Method: "GET", Path: "/v1/health/service/raft?index=1&passing=true&wait=200ms", Token: limitedToken}, // does not say what it hides
	{Method: "PUT", Path: "/v1/agent/service/register", Sent: `{"ID":"raft:n2","Name":"raft"}`},
	{Method: "PUT", Path: "/v1/agent/check/update/service:raft:n1", Sent: `{"Status":"passing"}`},
	{Method: "PUT", Path: "/v1/agent/service/deregister/raft:n1"},
}

// limit makes the token that may not read the service.
var limit = []exchange{
	{Method: "PUT", Path: "/v1/acl/policy", Token: managementToken, Sent: `{"Name":"other","Rules":"service \"other\" { policy = \"read\" }"}`},
	{Method: "PUT", Path: "/v1/acl/token", Token: managementToken, Sent: `{"SecretID":"` + limitedToken + `","Policies":[{"Name":"other"}]}`},
}

const protection = `acl { enabled = true default_policy = "deny" tokens { initial_management = "` + managementToken + `" } }`

// ask makes the requests and returns them with their answers.
func ask(t *testing.T, address string, requests []exchange) []exchange {
	t.Helper()
	index, answered := "1", []exchange{}
	for _, e := range requests {
		request, err := http.NewRequestWithContext(t.Context(), e.Method, "http://"+address+strings.ReplaceAll(e.Path, "INDEX", index),
			strings.NewReader(e.Sent))
		require.NoError(t, err)
		request.Close = true // leaves nothing behind
		if e.Token != "" {
			request.Header.Set("X-Consul-Token", e.Token)
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		e.Status, e.Header, e.Body = response.StatusCode, scrubHeader(response.Header), scrubBody(body)
		if next := response.Header.Get("X-Consul-Index"); next != "" {
			index = next
		}
		answered = append(answered, e)
	}
	return answered
}

// scrubHeader leaves what tells something.
func scrubHeader(header http.Header) map[string]string {
	scrubbed := map[string]string{}
	for key := range header {
		if key == "Content-Type" || strings.HasPrefix(key, "X-Consul-") {
			scrubbed[key] = header.Get(key)
		}
	}
	return scrubbed
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// scrubBody removes what is another in every agent.
func scrubBody(body []byte) string {
	return uuid.ReplaceAllStringFunc(string(body), func(id string) string {
		if id == managementToken {
			return id
		}
		return "00000000-0000-0000-0000-000000000000"
	})
}

// recorder hands requests on and keeps them with their answers.
type recorder struct {
	address string

	mu        sync.Mutex
	exchanges []exchange
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	sent, _ := io.ReadAll(request.Body)
	forward, err := http.NewRequestWithContext(request.Context(), request.Method, "http://"+r.address+request.RequestURI, bytes.NewReader(sent))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	response, err := http.DefaultClient.Do(forward)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	r.mu.Lock()
	r.exchanges = append(r.exchanges, exchange{Method: request.Method, Path: request.RequestURI, Sent: string(sent),
		Status: response.StatusCode, Header: scrubHeader(response.Header), Body: scrubBody(body)})
	r.mu.Unlock()
	for key, value := range scrubHeader(response.Header) {
		w.Header().Set(key, value)
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(body)
}

// An agent that is installed answers what has been recorded, or is recorded.
func TestRecordingIsWhatConsulAnswers(t *testing.T) {
	binary := findConsul(t)
	version := consulVersion(t, binary)
	if version != recorded {
		t.Skipf("Consul %s is installed, and the recording is of %s", version, recorded)
	}
	agent := startAgent(t, "")
	tape := &recorder{address: agent}
	server := httptest.NewServer(tape)
	defer server.Close()
	converse(t, strings.TrimPrefix(server.URL, "http://"))
	answers := recording{Version: version, Conversation: tape.exchanges, ByHand: ask(t, agent, byHand)}
	guarded := startAgent(t, protection)
	for _, e := range ask(t, guarded, limit) {
		require.Equal(t, http.StatusOK, e.Status, e.Body)
	}
	answers.Protected = ask(t, guarded, protected)
	if *record {
		data, err := json.MarshalIndent(answers, "", "\t")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(recordingFile, append(data, '\n'), 0o644))
		return
	}
	known := loadRecording(t)
	assertAlike(t, known.Conversation, answers.Conversation)
	assertAlike(t, known.ByHand, answers.ByHand)
	assertAlike(t, known.Protected, answers.Protected)
}

func TestFakeAnswersAsRecordedFromConsul_1_20_6(t *testing.T) {
	assertAlike(t, loadRecording(t).ByHand, ask(t, newFakeAgent(t).address(), byHand))
}

func TestDiscoverySpeaksAsRecordedFromConsul_1_20_6(t *testing.T) {
	tape := &player{exchanges: loadRecording(t).Conversation}
	server := httptest.NewServer(tape)
	defer server.Close()
	converse(t, strings.TrimPrefix(server.URL, "http://"))
	assert.Empty(t, tape.exchanges, "requests that were not made")
}

// player answers with the recorded exchanges, one after the other, and refuses any other request.
type player struct {
	mu        sync.Mutex
	exchanges []exchange
}

func (p *player) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	sent, _ := io.ReadAll(request.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.exchanges) == 0 {
		http.Error(w, "the recording is over", http.StatusTeapot)
		return
	}
	e := p.exchanges[0]
	if request.Method != e.Method || request.RequestURI != e.Path || string(sent) != e.Sent {
		http.Error(w, "recorded was "+e.Method+" "+e.Path+" "+e.Sent, http.StatusTeapot)
		return
	}
	p.exchanges = p.exchanges[1:]
	e.play(w)
}

func (e exchange) play(w http.ResponseWriter) {
	for key, value := range e.Header {
		w.Header().Set(key, value)
	}
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, e.Body)
}

// assertAlike compares what the discovery looks at: requests, status, the order of the indexes, texts of errors, and
// of instances what is read.
func assertAlike(t *testing.T, expected, actual []exchange) {
	t.Helper()
	require.Len(t, actual, len(expected))
	for i, e := range expected {
		a := actual[i]
		name := e.Method + " " + e.Path + " " + e.Sent
		assert.Equal(t, []any{e.Method, e.Path, e.Sent, e.Status}, []any{a.Method, a.Path, a.Sent, a.Status}, name)
		assert.Equal(t, e.Header[filtered], a.Header[filtered], name)
		if e.Status != http.StatusOK || e.Method != http.MethodGet {
			assert.Equal(t, e.Body, a.Body, name)
			continue
		}
		var es, as []instance
		require.NoError(t, json.Unmarshal([]byte(e.Body), &es), name)
		require.NoError(t, json.Unmarshal([]byte(a.Body), &as), name)
		assert.Equal(t, es, as, name)
	}
	assert.Equal(t, directions(t, expected), directions(t, actual))
}

var filtered = http.CanonicalHeaderKey("X-Consul-Results-Filtered-By-ACLs")

// directions says of each index whether it is below, at or above the one before.
func directions(t *testing.T, exchanges []exchange) []int {
	t.Helper()
	var (
		all  []int
		last uint64
	)
	for _, e := range exchanges {
		if text, is := e.Header["X-Consul-Index"]; is {
			index, err := strconv.ParseUint(text, 10, 64)
			require.NoError(t, err)
			all = append(all, cmp.Compare(index, last))
			last = index
		}
	}
	return all
}
