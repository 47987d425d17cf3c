package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// roundsServer is "s3lect serve" as its operator sees it.
type roundsServer struct {
	*terminal

	address string
	code    chan int
}

// serveRounds runs the command on a free port, until the test ends at the latest.
func serveRounds(t *testing.T, storage s3lect.Storage, args ...string) *roundsServer {
	t.Helper()
	s := &roundsServer{terminal: newTerminal(t).on(storage), code: make(chan int, 1)}
	go func() {
		s.code <- s.Main(append([]string{"serve", "--store", "s3://bucket", "--listen", "127.0.0.1:0"}, args...))
	}()
	t.Cleanup(func() {
		if s.code != nil {
			s.end()
		}
	})
	s.awaitLog(`msg=serving address=(\S+)`, func(found []string) { s.address = found[1] })
	return s
}

// awaitLog waits for a line.
func (s *roundsServer) awaitLog(expression string, found func([]string)) {
	s.t.Helper()
	line := regexp.MustCompile(expression)
	require.Eventually(s.t, func() bool {
		match := line.FindStringSubmatch(content(s.t, s.Stderr))
		if match != nil {
			found(match)
		}
		return match != nil
	}, time.Minute, time.Millisecond, "%s", expression)
}

// end ends the server as an operator does, and returns its exit status.
func (s *roundsServer) end() int {
	s.signals <- syscall.SIGTERM
	code := <-s.code
	s.code = nil
	return code
}

// fetch returns status and body.
func fetch(t *testing.T, client *http.Client, url string, headers ...string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func TestServeSaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	cert, key := made.Nodes[0].Cert, made.Nodes[0].Key
	empty := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(empty, []byte("# none\n"), 0o600))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no store":        {[]string{}, "--store is required"},
		"memory":          {[]string{"--store", "mem:x"}, "--store mem:x: rounds in memory could be won again after a restart; use a directory"},
		"address":         {[]string{"--store", "s3://b", "--listen", "8080"}, `--listen "8080" must be [HOST]:PORT, such as 127.0.0.1:8080`},
		"port":            {[]string{"--store", "s3://b", "--listen", ":no-such-port"}, `--listen ":no-such-port": `},
		"prefix":          {[]string{"--store", "s3://b", "--prefix", "a b"}, `--prefix: `},
		"retention":       {[]string{"--store", "s3://b", "--retention", "1s"}, "--retention 1s must be at least 1m0s: a round that has vanished can be won again"},
		"no retention":    {[]string{"--store", "s3://b", "--retention", "1h"}, `--retention 1h0m0s: nothing vanishes by itself on this storage; remove old rounds with "s3lect rounds prune"`},
		"time":            {[]string{"--store", "s3://b", "--request-timeout", "0s"}, "--request-timeout 0s must be positive"},
		"rate":            {[]string{"--store", "s3://b", "--rate", "-1"}, "--rate -1 must be a number of requests per second"},
		"rate of nothing": {[]string{"--store", "s3://b", "--rate", "NaN"}, "--rate NaN must be a number of requests per second"},
		"burst":           {[]string{"--store", "s3://b", "--rate", "1", "--burst", "-1"}, "--burst -1 must not be negative"},
		"burst alone":     {[]string{"--store", "s3://b", "--burst", "5"}, "--burst 5 is of no effect without a --rate"},
		"connections":     {[]string{"--store", "s3://b", "--max-connections", "0"}, "--max-connections 0 must be positive"},
		"delay":           {[]string{"--store", "s3://b", "--shutdown-delay", "-1s"}, "--shutdown-delay -1s must not be negative"},
		"drain":           {[]string{"--store", "s3://b", "--drain", "-1s"}, "--drain -1s must not be negative"},
		"certificate":     {[]string{"--store", "s3://b", "--tls-cert", cert}, "--tls-cert needs --tls-key as well"},
		"key":             {[]string{"--store", "s3://b", "--tls-key", key}, "--tls-key needs --tls-cert as well"},
		"client CA":       {[]string{"--store", "s3://b", "--client-ca", made.CA.Cert}, "--client-ca needs --tls-cert and --tls-key as well"},
		"foreign key":     {[]string{"--store", "s3://b", "--tls-cert", cert, "--tls-key", made.Nodes[1].Key}, "cannot be used with the first certificate"},
		"no token":        {[]string{"--store", "s3://b", "--token-file", empty}, "holds no token, which would let everybody in"},
		"no token file":   {[]string{"--store", "s3://b", "--token-file", empty + "x"}, "name a file with one token in each line"},
		"ID alone":        {[]string{"--store", "s3://b", "--id", "me"}, "--id is for the election that --key names"},
		"lease alone":     {[]string{"--store", "s3://b", "--lease", "3s"}, "--lease is for the election that --key names"},
		"lease":           {[]string{"--store", "s3://b", "--key", "k", "--lease", "1s", "--frequent", "2s"}, "--frequent 2s must be at most four fifths of --lease 1s"},
		"key of a round":  {[]string{"--store", "s3://b", "--key", "rounds/billing/today.json"}, "--key rounds/billing/today.json is below --prefix rounds, where the rounds are"},
		"key below":       {[]string{"--store", "s3://b", "--key", "a/b/c", "--prefix", "a/b"}, "--key a/b/c is below --prefix a/b"},
		"published":       {[]string{"--store", "s3://b", "--key", "k", "--addr", "here"}, `--addr "here" must be host:port`},
		"argument":        {[]string{"--store", "s3://b", "now"}, `"s3lect serve" takes no arguments, but there is "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := newTerminal(t).on(memory.New())
			term.env["S3LECT_LISTEN"] = "127.0.0.1:0" // some of it shows when it listens already
			code, out, says := term.run(append([]string{"serve"}, c.args...)...)
			assert.Equal(t, exitUsage, code)
			assert.Contains(t, says, c.says)
			assert.Empty(t, out)
		})
	}
}

func TestServeAnswersUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	s := serveRounds(t, memory.New())
	base := "http://" + s.address
	status, _ := fetch(t, http.DefaultClient, base+"/api/v1/elect/billing/1", "X-Candidate-Id", "a")
	assert.Equal(t, 202, status)
	status, _ = fetch(t, http.DefaultClient, base+"/api/v1/elect/billing/1", "X-Candidate-Id", "b")
	assert.Equal(t, 204, status)
	_, body := fetch(t, http.DefaultClient, base+"/readyz")
	assert.Equal(t, "ready\n", body)
	_, body = fetch(t, http.DefaultClient, base+"/metrics")
	assert.Contains(t, body, `s3lect_rounds_requests_total{operation="elect",result="elected"} 1`)
	assert.Contains(t, body, `s3lect_storage_requests_total{operation="put",result="ok"} 1`)
	assert.Equal(t, exitOK, s.end())
	says := content(t, s.Stderr)
	assert.Contains(t, says, "candidate=b result=not_elected")
	assert.NotContains(t, says, "level=WARN")
	assert.Contains(t, says, `msg="shutting down"`)
}

func TestServersOnOneStorageDecideTogether(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	var statuses []int
	for _, id := range []string{"a", "b"} {
		status, _ := fetch(t, http.DefaultClient, "http://"+serveRounds(t, storage).address+"/api/v1/elect/s/1", "X-Candidate-Id", id)
		statuses = append(statuses, status)
	}
	assert.Equal(t, []int{202, 204}, statuses)
	status, _ := fetch(t, http.DefaultClient, "http://"+serveRounds(t, storage, "--prefix", "others").address+"/api/v1/elect/s/1", "X-Candidate-Id", "b")
	assert.Equal(t, 202, status, "another prefix, another election")
}

func TestServeTakesPartInAnElectionAndReleasesIt(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	s := serveRounds(t, storage, "--key", "leader.json", "--id", "me")
	base := "http://" + s.address
	require.Eventually(t, func() bool {
		status, _ := fetch(t, http.DefaultClient, base+"/leader/self")
		return status == 200
	}, time.Minute, 10*time.Millisecond)
	_, body := fetch(t, http.DefaultClient, base+"/leader")
	assert.Contains(t, body, `{"leader":"me","address":"`+s.address+`","term":1,"self":true,"remainingMillis":1`)
	assert.Equal(t, exitOK, s.end())
	record, err := s3lect.ReadLeaderRecord(t.Context(), storage, "leader.json")
	require.NoError(t, err)
	assert.True(t, record.Resigned())
}

func TestKeyOfTheEnvironmentIsNotContested(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	s := &roundsServer{terminal: newTerminal(t).on(storage), code: make(chan int, 1)}
	// As below "s3lect run", whose own leadership it would contest under the same ID.
	s.env = map[string]string{"S3LECT_STORE": "s3://bucket", "S3LECT_KEY": "leader.json", "S3LECT_ID": "me", "S3LECT_LISTEN": "127.0.0.1:0"}
	go func() { s.code <- s.Main([]string{"serve"}) }()
	s.awaitLog(`msg=serving address=(\S+)`, func(found []string) { s.address = found[1] })
	status, _ := fetch(t, http.DefaultClient, "http://"+s.address+"/leader")
	assert.Equal(t, 404, status)
	assert.Equal(t, exitOK, s.end(), content(t, s.Stderr))
	_, _, err := storage.Get(t.Context(), "leader.json")
	assert.ErrorIs(t, err, s3lect.ErrStorageNotFound)
}

func TestServeEndsWhereTheStorageCanNeverHoldTheKey(t *testing.T) {
	t.Parallel()
	code, _, says := newTerminal(t).run("serve", "--store", "file://"+t.TempDir(), "--listen", "127.0.0.1:0", "--key", "../x")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, says, "s3lect: --key: ")
	assert.Contains(t, says, s3lect.ErrStorageKey.Error())
}

func TestPortInUseEndsServeAtOnce(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	storage := memory.New()
	code, _, says := newTerminal(t).on(storage).run("serve", "--store", "s3://b", "--listen", taken.Addr().String(), "--key", "leader.json")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, says, "s3lect: --listen "+taken.Addr().String()+": ")
	_, _, err = storage.Get(t.Context(), "leader.json")
	assert.ErrorIs(t, err, s3lect.ErrStorageNotFound, "the contest has not begun")
}

func TestServeStartsWithoutItsStorageAndSaysSo(t *testing.T) {
	t.Parallel()
	storage := &flaky{Storage: memory.New()}
	storage.fail.Store(true)
	s := serveRounds(t, storage)
	base := "http://" + s.address
	status, body := fetch(t, http.DefaultClient, base+"/readyz")
	assert.Equal(t, 503, status)
	assert.Contains(t, body, "the storage does not answer as it should")
	status, _ = fetch(t, http.DefaultClient, base+"/api/v1/elected/s/1")
	assert.Equal(t, 500, status)
	assert.Contains(t, content(t, s.Stderr), "level=ERROR")
	storage.fail.Store(false)
	require.Eventually(t, func() bool {
		status, _ := fetch(t, http.DefaultClient, base+"/readyz")
		return status == 200
	}, time.Minute, 100*time.Millisecond)
}

// deaf is a storage that answers nothing until it is told to.
type deaf struct {
	s3lect.Storage

	asked, heal chan struct{}
}

func (d *deaf) Get(ctx context.Context, key string) ([]byte, string, error) {
	if strings.HasSuffix(key, ".json") {
		d.asked <- struct{}{}
		<-d.heal
	}
	return d.Storage.Get(ctx, key)
}

func TestSecondSignalEndsServeAtOnce(t *testing.T) {
	t.Parallel()
	storage := &deaf{memory.New(), make(chan struct{}), make(chan struct{})}
	s := serveRounds(t, storage, "--request-timeout", "1h", "--drain", "1h")
	answered := s.askInBackground("/api/v1/elected/s/1")
	<-storage.asked
	s.signals <- syscall.SIGTERM
	s.signals <- syscall.SIGTERM
	assert.Equal(t, 143, <-s.aborted)
	close(storage.heal) // the test's process goes on
	assert.Equal(t, 204, <-answered, "what was under way is answered after the first signal")
	assert.Equal(t, exitOK, <-s.code)
	s.code = nil
}

// askInBackground returns where the status of the answer will come; 0 without an answer.
func (s *roundsServer) askInBackground(path string) <-chan int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), http.MethodGet, "http://"+s.address+path, http.NoBody)
	require.NoError(s.t, err)
	status := make(chan int, 1)
	go func() {
		defer close(status)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			status <- resp.StatusCode
			resp.Body.Close()
		}
	}()
	return status
}

func TestWhatIsCutOffInTheEndIsAFailure(t *testing.T) {
	t.Parallel()
	storage := &deaf{memory.New(), make(chan struct{}), make(chan struct{})}
	s := serveRounds(t, storage, "--request-timeout", "1h", "--drain", "10ms")
	answered := s.askInBackground("/api/v1/elected/s/1")
	<-storage.asked
	assert.Equal(t, exitFailure, s.end())
	assert.Contains(t, content(t, s.Stderr), "s3lect: requests were cut off")
	close(storage.heal)
	assert.Contains(t, []int{0, 500}, <-answered, "nothing, or that it could not be told")
}

func TestServeWarnsOfWhatMayNotBeMeant(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("a-long-and-random-token\n"), 0o600))
	made := certificates(t)
	everywhere := &net.TCPAddr{IP: net.IPv4zero, Port: 1}
	local := &net.TCPAddr{IP: net.IPv6loopback, Port: 1}
	for _, c := range []struct {
		address net.Addr
		o       serveOptions
		says    string
	}{
		{local, serveOptions{}, ""},
		{everywhere, serveOptions{}, "everybody who reaches this address can win rounds"},
		{everywhere, serveOptions{certFile: "c"}, "everybody who reaches this address can win rounds"},
		{everywhere, serveOptions{tokenFile: tokens}, "tokens can be read on their way"},
		{everywhere, serveOptions{tokenFile: tokens, certFile: "c"}, ""},
		{everywhere, serveOptions{clientCAFile: made.CA.Cert, certFile: "c"}, ""},
	} {
		term := newTerminal(t)
		term.level, term.format = "info", "text"
		log, err := term.logger()
		require.NoError(t, err)
		c.o.warn(c.address, log)
		assert.Contains(t, content(t, term.Stderr), c.says)
		assert.Equal(t, c.says == "", content(t, term.Stderr) == "")
	}
}

func TestServeGuardsItselfWithTokensAndCertificates(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("# ours\na-long-and-random-token\n"), 0o600))
	s := serveRounds(t, memory.New(), "--tls-cert", made.Nodes[0].Cert, "--tls-key", made.Nodes[0].Key,
		"--client-ca", made.CA.Cert, "--token-file", tokens)

	config, err := peerFiles{caFile: made.CA.Cert, certFile: made.Nodes[1].Cert, keyFile: made.Nodes[1].Key}.load("test")
	require.NoError(t, err)
	client := func(certificates []tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: config.RootCAs, Certificates: certificates, MinVersion: tls.VersionTLS12}}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	url := "https://" + s.address + "/api/v1/elect/s/1"
	status, _ := fetch(t, client(nil), url, "Authorization", "Bearer a-long-and-random-token")
	assert.Equal(t, 403, status)
	status, _ = fetch(t, client(config.Certificates), url)
	assert.Equal(t, 401, status)
	status, _ = fetch(t, client(config.Certificates), url, "Authorization", "Bearer a-long-and-random-token")
	assert.Equal(t, 202, status)
	assert.NotContains(t, content(t, s.Stderr), "random-token")

	ask := func(question string, files ...string) (int, string, string) {
		args := []string{"rounds", question, "s", "2", "--server", "https://" + s.address, "--tls-ca", made.CA.Cert}
		if question == "elect" {
			args = append(args, "--id", "me")
		}
		return newTerminal(t).run(append(args, files...)...)
	}
	complete := []string{"--tls-cert", made.Nodes[1].Cert, "--tls-key", made.Nodes[1].Key, "--token-file", tokens}
	code, out, says := ask("elect", complete...)
	assert.Equal(t, exitOK, code, says)
	assert.Equal(t, "elected\n", out)
	code, _, says = ask("elected", complete[:4]...)
	assert.Equal(t, exitRefused, code)
	assert.Contains(t, says, "401")
}

func TestRoundsAreAskedAboutByScripts(t *testing.T) {
	t.Parallel()
	s := serveRounds(t, memory.New())
	run := func(args ...string) (int, string, string) {
		return newTerminal(t).run(append(append([]string{"rounds"}, args...), "--server", "http://"+s.address)...)
	}
	for _, c := range []struct {
		args      string
		code      int
		out, says string
	}{
		{"elected s 1", 3, "nobody\n", ""},
		{"complete s 1 --id a", 3, "", "s3lect: not elected: nobody has won the round yet"},
		{"elect s 1 --id a", 0, "elected\n", ""},
		{"elect s 1 --id a", 0, "elected\n", ""},
		{"elect s 1 --id b", 3, "not elected: a is\n", ""},
		{"elect s 1 --id b --quiet", 3, "", ""},
		{"elected s 1", 0, "a\n", ""},
		{"completed s 1", 3, "nobody\n", ""},
		{"complete s 1 --id b", 3, "", "s3lect: not elected: the round was won by a"},
		{"complete s 1 --id a", 0, "completed\n", ""},
		{"complete s 1 --id a -q", 0, "", ""},
		{"completed s 1", 0, "a\n", ""},
		{"elect s", 2, "", "elect needs the names of a system and of a round"},
		{"elect s 1", 2, "", "--id is required"},
		{"elect s 1 --id=", 2, "", "--id is required"},
		{"elect s/s 1 --id a", 2, "", `system "s/s" contains '/'`},
		{"elect s 1 --id ä", 2, "", "--id: candidate ID"},
		{"elected s 1 --id a", 2, "", "unknown flag: --id"},
		{"elected s 1 --timeout 0s", 2, "", "--timeout 0s must be positive"},
		{"elected s 1 --server x", 2, "", `--server: number 1 "x" is not of the form`},
		{"elected s 1 --tls-cert x", 2, "", "--tls-cert needs --tls-key as well"},
		{"elected s 1 --tls-key x", 2, "", "--tls-key needs --tls-cert as well"},
		{"elected s 1 --tls-ca /no/such", 2, "", "--tls-ca: "},
		{"elected s 1 --token-file /no/such", 2, "", "--token-file: "},
		{"elected s 1 --token-file " + os.DevNull, 2, "", "holds no token: write the one to send"},
	} {
		args := strings.Fields(c.args)
		code, out, says := run(args...)
		assert.Equal(t, c.code, code, "%s: %s", c.args, says)
		assert.Equal(t, c.out, out, c.args)
		assert.Contains(t, says, c.says, c.args)
		assert.Equal(t, c.says == "", says == "", c.args)
	}
	_, out, _ := run("elected", "s", "1", "--json")
	var state rounds.State
	require.NoError(t, json.Unmarshal([]byte(out), &state))
	assert.Equal(t, "a", state.Completed.ID)
}

func TestServerThatIsNotThereIsCouldNotTell(t *testing.T) {
	t.Parallel()
	code, out, says := newTerminal(t).run("rounds", "elect", "s", "1", "--id", "a", "--server", "http://"+freePort(t), "--timeout", "50ms")
	assert.Equal(t, exitFailure, code)
	assert.Empty(t, out)
	assert.Contains(t, says, rounds.ErrUndecided.Error())
}

func TestFirstFailureIsToldOnceAndNotToTheQuiet(t *testing.T) {
	t.Parallel()
	server := "http://" + freePort(t)
	ask := []string{"rounds", "elect", "s", "1", "--id", "a", "--server", server, "--timeout", "1s"}
	_, _, says := newTerminal(t).run(ask...)
	assert.Equal(t, 1, strings.Count(says, "s3lect: no answer yet from "+server+": dial tcp "), says)
	assert.Contains(t, says, "; asking again for up to 1s in all\n")
	_, _, says = newTerminal(t).run(append(ask, "--quiet")...)
	assert.NotContains(t, says, "no answer yet")
}

func TestRefusalThatStaysHasAnExitStatusOfItsOwn(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("correct-horse-battery\n"), 0o600))
	s := serveRounds(t, memory.New(), "--token-file", tokens)
	code, out, says := newTerminal(t).run("rounds", "elect", "s", "1", "--id", "a", "--server", "http://"+s.address)
	assert.Equal(t, exitRefused, code)
	assert.Empty(t, out)
	assert.Contains(t, says, "(401 \"unauthorized\")")
	assert.NotContains(t, says, "asking again")
}

func TestAskingIsInterrupted(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.signals <- syscall.SIGINT
	code, _, says := term.run("rounds", "elect", "s", "1", "--id", "a", "--server", "http://"+freePort(t), "--timeout", "1h")
	assert.Equal(t, 130, code)
	assert.Contains(t, says, "interrupted")
}

func TestSubcommandsOfRoundsHaveHelpAndExamples(t *testing.T) {
	t.Parallel()
	root := newTerminal(t).newRootCommand(nil)
	cmd, _, err := root.Find([]string{"rounds"})
	require.NoError(t, err)
	require.Len(t, cmd.Commands(), 5)
	for _, sub := range cmd.Commands() {
		assert.NotEmpty(t, sub.Short, sub.Name())
		assert.NotEmpty(t, sub.Example, sub.Name())
		for line := range strings.Lines(sub.Long) {
			assert.LessOrEqual(t, len(line), 81, "%s: %s", sub.Name(), line)
		}
		code, out, says := newTerminal(t).run("rounds", sub.Name(), "--help")
		assert.Equal(t, 0, code)
		assert.Contains(t, out, sub.Example)
		assert.Empty(t, says)
	}
	code, _, says := newTerminal(t).run("rounds")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, says, "rounds needs one of its commands")
	code, _, says = newTerminal(t).run("rounds", "elct")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, says, `unknown command "elct"`)
}

// expiring is a storage whose objects could vanish by themselves. It remembers after which time.
type expiring struct {
	s3lect.Storage

	ttl chan time.Duration
}

func (e *expiring) GetOrCreate(ctx context.Context, key string, data []byte, ttl time.Duration) ([]byte, bool, error) {
	e.ttl <- ttl
	return data, true, e.PutIfMatch(ctx, key, data, "")
}

func TestServeKeepsRoundsForAsLongAsItIsTold(t *testing.T) {
	t.Parallel()
	storage := &expiring{memory.New(), make(chan time.Duration, 1)}
	s := serveRounds(t, storage, "--retention", "720h")
	status, _ := fetch(t, http.DefaultClient, "http://"+s.address+"/api/v1/elect/s/1", "X-Candidate-Id", "a")
	assert.Equal(t, 202, status)
	assert.Equal(t, 720*time.Hour, <-storage.ttl)
	_, body := fetch(t, http.DefaultClient, "http://"+s.address+"/metrics")
	assert.Contains(t, body, `s3lect_storage_requests_total{operation="get_or_create",result="ok"} 1`)
}

func TestServeHasItsLimitsFromItsFlags(t *testing.T) {
	t.Parallel()
	s := serveRounds(t, memory.New(), "--rate", "0.001", "--burst", "2")
	var statuses []int
	for range 3 {
		status, _ := fetch(t, http.DefaultClient, "http://"+s.address+"/api/v1/elected/s/1")
		statuses = append(statuses, status)
	}
	assert.Equal(t, []int{204, 204, 429}, statuses)
}
