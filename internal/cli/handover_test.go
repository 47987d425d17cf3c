package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/certs"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// members are the certificates of an election: those of a and b, made once for all tests.
var members = sync.OnceValues(func() (made *certs.Result, err error) {
	if membersDir, err = os.MkdirTemp("", "s3lect-cli-test-"); err != nil {
		return nil, err
	}
	return certs.Make(certs.Options{Dir: membersDir, Names: []string{"a", "b"}})
})

// membersDir is removed when all tests have ended.
var membersDir string

func certificates(t *testing.T) *certs.Result {
	t.Helper()
	made, err := members()
	require.NoError(t, err)
	return made
}

// shortLived are certificates whose node's has expired.
func shortLived(t *testing.T) *certs.Result {
	t.Helper()
	made, err := certs.Make(certs.Options{
		Dir: t.TempDir(), Names: []string{"b"}, Lifetime: time.Hour,
		Now: func() time.Time { return time.Now().Add(-2 * time.Hour) },
	})
	require.NoError(t, err)
	return made
}

// asPeer are the flags of a member.
func asPeer(ca, pair certs.Pair) []string {
	return []string{"--peer-ca", ca.Cert, "--peer-cert", pair.Cert, "--peer-key", pair.Key}
}

// leaderAt serves a leader that demands certificates, and returns its address.
func leaderAt(t *testing.T, handler http.HandlerFunc, changes ...func(*tls.Config)) string {
	t.Helper()
	made := certificates(t)
	server := httptest.NewUnstartedServer(handler)
	config, err := peerFiles{caFile: made.CA.Cert, certFile: made.Nodes[0].Cert, keyFile: made.Nodes[0].Key}.load("test")
	require.NoError(t, err)
	server.TLS = &tls.Config{Certificates: config.Certificates, ClientCAs: config.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert}
	for _, change := range changes {
		change(server.TLS)
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// ledAt is a record of a leader at an address.
func ledAt(address string) string {
	return strings.Replace(heldRecord, "10.0.0.1:8443", address, 1)
}

// handOver runs a command as member b.
func handOver(t *testing.T, storage s3lect.Storage, command string, args ...string) (code int, out, says string) {
	t.Helper()
	made := certificates(t)
	return newTerminal(t).on(storage).run(append(append(with(command), asPeer(made.CA, made.Nodes[1].Pair)...), args...)...)
}

func TestTransferAsksTheLeaderAndTellsWhoLeadsThen(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	asked := make(chan string, 1)
	address := leaderAt(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.String()
		put(t, storage, resignedRecord)
		time.AfterFunc(50*time.Millisecond, func() { put(t, storage, nextRecord) })
		obey(w, r)
	})
	put(t, storage, ledAt(address))
	code, out, says := handOver(t, storage, "transfer", "--to", "b")
	assert.Equal(t, exitOK, code, says)
	assert.Equal(t, "a has handed over to b: b leads with term 8\n", out)
	assert.Equal(t, "POST /health/leadership/transfer?to=b", <-asked)
}

func TestResignInJSON(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	asked := make(chan string, 1)
	address := leaderAt(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.String()
		time.AfterFunc(50*time.Millisecond, func() { put(t, storage, nextRecord) }) // a storage that is slow to show it
		obey(w, r)
	})
	put(t, storage, heldRecord) // whose address is another
	code, out, says := handOver(t, storage, "resign", "--json", "--addr", address, "--peer-path", "/leader")
	assert.Equal(t, exitOK, code, says)
	assert.Equal(t, "POST /leader/resign", <-asked)
	var r handoverResult
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.NotNil(t, r.Now)
	assert.Equal(t, "b", r.Now.LeaderID)
	r.Now = nil
	assert.Equal(t, handoverResult{Action: "resign", LeaderID: "a", Term: 7, Address: address}, r)
}

func TestResignWithoutAStorageTellsWhatTheLeaderSaid(t *testing.T) {
	t.Parallel()
	address := leaderAt(t, obey)
	made := certificates(t)
	args := append([]string{"resign", "--addr", address}, asPeer(made.CA, made.Nodes[1].Pair)...)
	code, out, says := newTerminal(t).run(args...)
	assert.Equal(t, exitOK, code, says)
	assert.Equal(t, "a has stepped down\n", out)
	code, out, says = newTerminal(t).run(append(args, "--json")...)
	assert.Equal(t, exitOK, code, says)
	assert.JSONEq(t, `{"action": "resign", "leaderID": "a", "term": 7, "address": "`+address+`"}`, out)
}

func TestWhatCameOfAHandoverIsTheExitStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		record string
		code   int
		says   string
	}{
		"nobody claims":       {[]string{"resign"}, resignedRecord, exitNobody, "a has stepped down: nobody leads: the last leader has resigned\n"},
		"the heir is missing": {[]string{"transfer", "--to", "b"}, resignedRecord, exitNobody, "Whether there is a candidate of the name b nobody can tell"},
		"another one leads":   {[]string{"transfer", "--to", "c"}, nextRecord, exitFailure, "a has handed over to c: b leads with term 8\nc did not claim within a lease: is there a candidate of this name, and may it lead?\n"},
		"nothing has changed": {[]string{"resign"}, heldRecord, exitFailure, "a has stepped down, but the record has not changed\n"},
		"the record is bad":   {[]string{"resign"}, badRecord, exitBad, "not a leader record"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := memory.New()
			address := leaderAt(t, func(w http.ResponseWriter, r *http.Request) {
				put(t, storage, c.record)
				obey(w, r)
			})
			put(t, storage, ledAt(address))
			code, out, says := handOver(t, storage, c.args[0], append(c.args[1:], "--timeout", "300ms")...)
			assert.Equal(t, c.code, code, says)
			assert.Contains(t, out, c.says)
		})
	}
}

func TestHandoverOfNobodyIsExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record string
		code   int
		says   string
	}{
		"no record":      {"", exitNobody, "there is nothing to give up: nobody leads: there is no record yet"},
		"resigned":       {resignedRecord, exitNobody, "there is nothing to give up: nobody leads: the last leader has resigned"},
		"bad record":     {badRecord, exitBad, "is not a leader record"},
		"leads already":  {heldRecord, exitFailure, "a is the leader already"},
		"hostile record": {strings.Replace(nextRecord, "10.0.0.2:8443", "evil/../@host:1", 1), exitFailure, `"evil/../@host:1", is none: it must be host:port; name one with --addr`},
		"bad port":       {strings.Replace(nextRecord, "10.0.0.2:8443", "host:0", 1), exitFailure, "its port must be a number from 1 to 65535"},
		"no port":        {strings.Replace(nextRecord, "10.0.0.2:8443", "host", 1), exitFailure, "missing port"},
	} {
		storage := memory.New()
		if c.record != "" {
			put(t, storage, c.record)
		}
		code, out, says := handOver(t, storage, "transfer", "--to", "a")
		assert.Equal(t, c.code, code, name)
		assert.Contains(t, says, c.says, name)
		assert.Empty(t, out)
	}
}

func TestLeaderThatDoesNotObeyIsExplained(t *testing.T) {
	t.Parallel()
	redirected := make(chan struct{}, 1)
	elsewhere := leaderAt(t, func(http.ResponseWriter, *http.Request) { redirected <- struct{}{} })
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"not the leader": {answer(http.StatusConflict, "not the leader: that is b"), "does not lead (any more): not the leader: that is b"},
		"endpoint off":   {answer(http.StatusNotFound, "404 page not found"), "it was started without --allow-handover"},
		"fake elector":   {answer(http.StatusNotImplemented, "no"), "its elector has no resign"},
		"failure":        {answer(http.StatusInternalServerError, "the storage\x1b[2J is away\nand more"), `did not resign: status 500: "the storage\x1b[2J is away"`},
		"redirect":       {http.RedirectHandler("https://"+elsewhere, http.StatusTemporaryRedirect).ServeHTTP, "answered with a redirect (307), and none is followed"},
		"cut off":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "whether it gave up the leadership is not known"},
		"other program":  {answer(http.StatusOK, "welcome"), "does not answer like a leader that has obeyed: is the address right, and --peer-path /health/leadership? It said: welcome"},
		"not done":       {answer(http.StatusOK, `{"resigned": false}`), "does not answer like a leader that has obeyed"},
		"silent":         {hangUp, "did not answer within 300ms; whether it gave up the leadership is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := memory.New()
			put(t, storage, ledAt(leaderAt(t, c.handler)))
			code, out, says := handOver(t, storage, "resign", "--timeout", "300ms")
			assert.Equal(t, exitFailure, code)
			assert.Contains(t, says, c.says)
			assert.Empty(t, out)
		})
	}
	t.Cleanup(func() { assert.Empty(t, redirected) })
}

// hangUp says nothing, also when the client has gone.
func hangUp(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// obey is the answer of the leader of heldRecord.
func obey(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"resigned":true,"leaderID":"a","term":7}`) // a client that has gone shows elsewhere
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, status) }
}

func TestMembersOfAnotherAuthorityAreToldApart(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	foreign, err := certs.Make(certs.Options{Dir: t.TempDir(), Names: []string{"b"}})
	require.NoError(t, err)
	storage := memory.New()
	called := make(chan struct{}, 1)
	put(t, storage, ledAt(leaderAt(t, func(http.ResponseWriter, *http.Request) { called <- struct{}{} })))
	resign := func(flags []string) string {
		code, _, says := newTerminal(t).on(storage).run(append(with("resign"), flags...)...)
		assert.Equal(t, exitFailure, code)
		return says
	}
	assert.Contains(t, resign(asPeer(made.CA, foreign.Nodes[0].Pair)), "refused the certificate "+foreign.Nodes[0].Cert)
	assert.Contains(t, resign(asPeer(foreign.CA, made.Nodes[1].Pair)), "does not prove to be of this election: ")
	assert.Empty(t, called)

	short := shortLived(t)
	assert.Contains(t, resign(asPeer(made.CA, short.Nodes[0].Pair)), "--peer-cert "+short.Nodes[0].Cert+" expired on ")
}

func TestRefusalOfTheLeaderItselfIsTold(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, ledAt(leaderAt(t, nil, func(c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12 // whose handshake ends with the server's word
		c.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not you") }
	})))
	code, _, says := handOver(t, storage, "resign")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, says, "refused the certificate "+certificates(t).Nodes[1].Cert+": remote error: tls: bad certificate")
}

func TestNobodyListeningIsExplained(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	storage := memory.New()
	put(t, storage, ledAt(listener.Addr().String()))
	code, _, says := handOver(t, storage, "resign")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, says, "nobody listens at "+listener.Addr().String())
}

func TestPeerFilesAreCheckedByFlagAndName(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	missing, empty := filepath.Join(t.TempDir(), "missing.pem"), filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	a, b := made.Nodes[0].Pair, made.Nodes[1].Pair
	for name, c := range map[string]struct {
		p    peerFiles
		says string
	}{
		"none":         {peerFiles{}, "resign needs --peer-ca, --peer-cert, --peer-key as well: the files of a certificate authority and of a certificate that it signed; make some with\n  s3lect certs NAME"},
		"no cert":      {peerFiles{caFile: made.CA.Cert}, "resign needs --peer-cert, --peer-key as well"},
		"no key":       {peerFiles{caFile: made.CA.Cert, certFile: a.Cert}, "resign needs --peer-key as well"},
		"missing CA":   {peerFiles{caFile: missing, certFile: a.Cert, keyFile: a.Key}, "--peer-ca: open " + missing},
		"empty CA":     {peerFiles{caFile: empty, certFile: a.Cert, keyFile: a.Key}, "--peer-ca " + empty + ": there is no valid PEM certificate in it"},
		"missing cert": {peerFiles{caFile: made.CA.Cert, certFile: missing, keyFile: a.Key}, "--peer-cert: open " + missing},
		"missing key":  {peerFiles{caFile: made.CA.Cert, certFile: a.Cert, keyFile: missing}, "--peer-key: open " + missing},
		"foreign key":  {peerFiles{caFile: made.CA.Cert, certFile: a.Cert, keyFile: b.Key}, "--peer-cert " + a.Cert + ", --peer-key " + b.Key + ": tls: private key does not match"},
	} {
		_, err := c.p.load("resign")
		require.ErrorContains(t, err, c.says, name)
		exit, ok := asExit(err)
		require.True(t, ok)
		assert.Equal(t, exitUsage, exit.code)
	}
}

func TestHandoverTakesNoDecisionFromTheEnvironment(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	storage := memory.New()
	put(t, storage, ledAt(leaderAt(t, func(w http.ResponseWriter, r *http.Request) {
		put(t, storage, nextRecord)
		obey(w, r)
	})))
	term := newTerminal(t).on(storage)
	term.env = map[string]string{
		"S3LECT_TO": "b", "S3LECT_ADDR": freePort(t), // of a candidate
		"S3LECT_PEER_CA": made.CA.Cert, "S3LECT_PEER_CERT": made.Nodes[1].Cert, "S3LECT_PEER_KEY": made.Nodes[1].Key,
	}
	code, _, says := term.run(with("transfer")...)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, says, "--to is required")
	code, out, says := term.run(with("resign")...)
	assert.Equal(t, exitOK, code, "the files are found, and the address is that of the record: %s", says)
	assert.Contains(t, out, "a has stepped down")
}

func TestQuestionsAreVerifiedOnBothSides(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	config, err := peerFiles{caFile: made.CA.Cert, certFile: made.Nodes[0].Cert, keyFile: made.Nodes[0].Key}.load("test")
	require.NoError(t, err)
	assert.False(t, config.InsecureSkipVerify)
	assert.Equal(t, uint16(tls.VersionTLS12), config.MinVersion)
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	require.NoError(t, err)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: config.RootCAs, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	assert.NoError(t, err)
}
