package consul

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

var node1 = discovery.Node{ID: "n1", Address: "10.0.0.1", Port: 7000, Voter: true}

func started(t *testing.T, options Options) discovery.Discovery {
	t.Helper()
	d := open(t, options)
	require.NoError(t, d.Start(t.Context()))
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	return d
}

// playProtected is an agent that answers with what was recorded of one with access control lists, by method, path and token.
func playProtected(t *testing.T) string {
	t.Helper()
	known := loadRecording(t).Protected
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(known, func(e exchange) bool {
			return e.Method == r.Method && e.Path == r.RequestURI && e.Token == r.Header.Get("X-Consul-Token")
		})
		if i < 0 {
			http.Error(w, "this was not recorded", http.StatusTeapot)
			return
		}
		known[i].play(w)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestTokenIsSentAsRecordedFromConsul_1_20_6(t *testing.T) {
	d := started(t, Options{Address: playProtected(t), Service: "raft", Token: managementToken})
	nodes, err := d.GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{node1}, nodes)
}

// Consul answers with an empty list and a header, which it leaves out where there is no token, and where a query waits.
func TestListsThatTheTokenHidesAreFailuresAsRecordedFromConsul_1_20_6(t *testing.T) {
	agent := playProtected(t)
	_, err := started(t, Options{Address: agent, Service: "raft"}).GetNodes(t.Context())
	require.ErrorIs(t, err, errHidden)
	limited := started(t, Options{Address: agent, Service: "raft", Token: limitedToken})
	_, err = limited.GetNodes(t.Context())
	require.ErrorIs(t, err, errHidden)
	_, err = started(t, Options{Address: agent, Service: "raft", Token: "00000000-1111-1111-1111-111111111111"}).GetNodes(t.Context())
	require.ErrorContains(t, err, "ACL not found")
	err = started(t, Options{Address: agent, Service: "raft"}).Register(t.Context(), node1)
	require.ErrorContains(t, err, "service:write")
	require.ErrorContains(t, err, "is the token the right one")
}

func TestIndexFollowsConsulsRules(t *testing.T) {
	for _, test := range []struct{ last, next, following uint64 }{
		{1, 7, 7}, {7, 7, 7}, {7, 9, 9}, // onwards
		{9, 7, 1}, {9, 0, 1}, // backwards: begin anew
		{1, 0, 1}, // never 0, which does not wait
	} {
		assert.Equal(t, test.following, following(test.last, test.next), "%+v", test)
	}
}

// scriptedAgent answers queries that wait with these indexes, and then not at all; lists are empty.
func scriptedAgent(t *testing.T, indexes ...string) (address string, asked <-chan url.Values) {
	t.Helper()
	questions := make(chan url.Values, len(indexes)+1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		index := "4"
		if r.URL.Query().Has("index") {
			questions <- r.URL.Query()
			if len(indexes) == 0 {
				<-r.Context().Done()
				return
			}
			index, indexes = indexes[0], indexes[1:]
		}
		w.Header().Set("X-Consul-Index", index)
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), questions
}

func TestQueriesWaitForTheIndexOfTheAnswerBefore(t *testing.T) {
	address, asked := scriptedAgent(t, "5", "5", "8", "3", "3", "0", "0")
	d := started(t, Options{Address: address, Service: "raft", Datacenter: "dc2"})
	_, err := d.Watch(t.Context())
	require.NoError(t, err)
	for i, index := range []string{"1", "5", "5", "8", "1", "3", "1", "1"} {
		query := <-asked
		assert.Equal(t, url.Values{"index": {index}, "wait": {"1m0s"}, "dc": {"dc2"}, "passing": {"true"}}, query, i)
	}
	require.NoError(t, d.Stop(t.Context())) // in the middle of a query that waits
}

func TestListsThatChangeAllTheTimeAreAskedForAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{rate: time.Second}
		began := time.Now()
		var waited []time.Duration
		for range 5 {
			p.wait(t.Context())
			waited = append(waited, time.Since(began))
		}
		assert.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second, 3 * time.Second}, waited)
		<-time.After(time.Hour) // in which nothing changes
		began = time.Now()
		p.wait(t.Context())
		p.wait(t.Context())
		assert.Zero(t, time.Since(began))
	})
}

func TestRegistrationThatTheAgentForgetsIsMadeAgain(t *testing.T) {
	agent := newFakeAgent(t)
	d := started(t, Options{Address: agent.address(), Service: "raft", TTL: 3 * time.Second})
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	require.Empty(t, <-lists)
	require.NoError(t, d.Register(t.Context(), node1))
	require.Equal(t, []discovery.Node{node1}, <-lists)
	agent.forget()
	require.Empty(t, <-lists)
	require.Equal(t, []discovery.Node{node1}, <-lists)
}

func TestCheckIsConfirmedInTime(t *testing.T) {
	agent := newFakeAgent(t)
	d := started(t, Options{Address: agent.address(), Service: "raft", TTL: 3 * time.Second})
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	require.Empty(t, <-lists)
	require.NoError(t, d.Register(t.Context(), node1))
	require.Equal(t, []discovery.Node{node1}, <-lists)
	select {
	case nodes := <-lists:
		assert.Fail(t, "list was sent", "%+v", nodes)
	case <-time.After(5 * time.Second): // the TTL and two thirds
	}
}

// The process is this test's binary, and runs the test below.
func TestNodeOfAKilledProcessIsOffTheList(t *testing.T) {
	agent := newFakeAgent(t)
	lists, err := started(t, Options{Address: agent.address(), Service: "raft"}).Watch(t.Context())
	require.NoError(t, err)
	require.Empty(t, <-lists)
	process := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRegisterAndWaitToBeKilled$")
	process.Env = append(os.Environ(), "CONSUL_TEST_AGENT="+agent.address())
	require.NoError(t, process.Start())
	require.Equal(t, []discovery.Node{node1}, <-lists)
	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	require.Empty(t, <-lists)
}

func TestRegisterAndWaitToBeKilled(t *testing.T) {
	address := os.Getenv("CONSUL_TEST_AGENT")
	if address == "" {
		t.Skip("is run by TestNodeOfAKilledProcessIsOffTheList")
	}
	require.NoError(t, started(t, Options{Address: address, Service: "raft", TTL: 3 * time.Second}).Register(t.Context(), node1))
	select {}
}

func TestAgentIsAskedOverTLSWithACertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(newFakeAgent(t))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "https://")
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	configured := &tls.Config{RootCAs: roots, Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12}
	nodes, err := started(t, Options{Address: address, Service: "raft", TLS: configured}).GetNodes(t.Context())
	require.NoError(t, err)
	assert.Empty(t, nodes)

	_, err = started(t, Options{Address: address, Service: "raft", TLS: &tls.Config{MinVersion: tls.VersionTLS12}}).GetNodes(t.Context())
	assert.ErrorContains(t, err, "certificate")
	_, err = started(t, Options{Address: address, Service: "raft"}).GetNodes(t.Context())
	assert.ErrorContains(t, err, "is this port for HTTPS?")
}

func TestAnswersThatMakeNoSenseAreFailures(t *testing.T) {
	for _, test := range []struct {
		name, body, index string
		status            int
		names             string
	}{
		{"not JSON", "<html>", "1", 200, "not a list"},
		{"not a list", "{}", "1", 200, "not a list"},
		{"null", "null", "1", 200, "not a list"},
		{"no index", "[]", "", 200, "X-Consul-Index"},
		{"moved", "", "1", 301, "301"},
		{"too long", "[" + strings.Repeat(" ", maxBody) + "]", "1", 200, "longer"},
		{"no leader", "No cluster leader", "1", 500, "No cluster leader"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				t.Error("followed a redirect")
			}
			w.Header().Set("X-Consul-Index", test.index)
			w.Header().Set("Location", "/")
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		_, err := started(t, Options{Address: strings.TrimPrefix(server.URL, "http://"), Service: "raft"}).GetNodes(t.Context())
		assert.ErrorContains(t, err, test.names, test.name)
		server.Close()
	}
}

func TestInstancesWithoutAnAddressHaveThatOfTheirAgent(t *testing.T) {
	agent := newFakeAgent(t)
	put(t, agent.address(), "raft", "by hand", discovery.Node{ID: "n1", Port: 7000}, map[string]string{"tag-zone": "a"})
	nodes, err := started(t, Options{Address: agent.address(), Service: "raft"}).GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{{ID: "n1", Address: "127.0.0.1", Port: 7000, Voter: true, Tags: map[string]string{"zone": "a"}}}, nodes)
}

func TestImpossibleOptionsAreRefused(t *testing.T) {
	for _, test := range []struct {
		options Options
		names   string
	}{
		{Options{}, "service is missing"},
		{Options{Service: "a/b"}, `"a/b"`},
		{Options{Service: "a:b"}, `"a:b"`},
		{Options{Service: "raft", Address: "host"}, "address"},
		{Options{Service: "raft", Address: ":8500"}, "address"},
		{Options{Service: "raft", TTL: time.Millisecond}, "TTL 1ms"},
		{Options{Service: "raft", ForgetAfter: time.Second}, "1s"},
	} {
		_, err := New(test.options)
		assert.ErrorContains(t, err, test.names)
	}
}
