package s3lect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// resigningElector is a fake that can hand over.
type resigningElector struct {
	fakeElector

	resign   func(ctx context.Context, successor string) error
	resigned []string
}

func (r *resigningElector) Resign(ctx context.Context) error {
	r.resigned = append(r.resigned, "")
	return r.resign(ctx, "")
}

func (r *resigningElector) TransferLeadership(ctx context.Context, id string) error {
	r.resigned = append(r.resigned, id)
	return r.resign(ctx, id)
}

func (r *resigningElector) GetLeadershipStatus() *LeadershipStatus {
	status := r.fakeElector.GetLeadershipStatus()
	if !r.leads {
		status.LeaderID, status.LeaderAddr = "b", "10.0.0.2:8443"
	}
	return status
}

func newResigningElector() *resigningElector {
	return &resigningElector{
		fakeElector: fakeElector{leads: true},
		resign:      func(context.Context, string) error { return nil },
	}
}

// handoverServer starts a server that allows handovers, and returns a client that may ask for them.
func handoverServer(t *testing.T, e Elector) (client *http.Client, url string, lines *logLines) {
	t.Helper()
	ca := newTestCA(t, "ca")
	log, lines := newLogLines()
	_, url = startHealthServer(t, HealthServerConfig{
		Certificate: ca.issue(t, "server"), ClientCACert: ca.pem, AllowHandover: true, Elector: e, Logger: log,
	}, time.Now)
	cert := ca.issue(t, "operator")
	return testClient(t, ca, &cert), url, lines
}

func TestHandoverIsAnsweredOnceTheResignationIsConfirmed(t *testing.T) {
	t.Parallel()
	e := newResigningElector()
	confirmed := false
	e.resign = func(context.Context, string) error {
		confirmed = true
		return nil
	}
	client, url, lines := handoverServer(t, e)
	answer, err := request(t, client, http.MethodPost, url+"/resign")
	require.NoError(t, err)
	assert.True(t, confirmed)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	assert.JSONEq(t, `{"resigned":true,"leaderID":"fake","term":7}`, answer.body)

	answer, err = request(t, client, http.MethodPost, url+"/transfer?to=b%20c")
	require.NoError(t, err)
	assert.JSONEq(t, `{"resigned":true,"leaderID":"fake","term":7,"successor":"b c"}`, answer.body)
	assert.Equal(t, []string{"", "b c"}, e.resigned)

	told := lines.with("handed the leadership over on request")
	require.Len(t, told, 2)
	assert.Contains(t, told[0], "client=\"CN=operator\"")
	assert.Contains(t, told[1], "successor=\"b c\"")
}

func TestHandoverRequestsThatCannotBeCarriedOut(t *testing.T) {
	t.Parallel()
	e := newResigningElector()
	client, base, lines := handoverServer(t, e)
	post := func(path string) answered {
		answer, err := request(t, client, http.MethodPost, base+path)
		require.NoError(t, err)
		return answer
	}
	for path, want := range map[string]string{
		"/transfer":            "name one successor",
		"/transfer?to=":        "to is required",
		"/transfer?to=a&to=b":  "name one successor",
		"/transfer?to=%ff":     "not valid UTF-8",
		"/transfer?to=%zz":     "the query cannot be read",
		"/transfer?to=fake":    "this candidate itself",
		"/transfer?to=" + long: "at most 1024",
	} {
		answer := post(path)
		assert.Equal(t, http.StatusBadRequest, answer.StatusCode, path)
		assert.Contains(t, answer.body, want)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		for _, path := range []string{"/resign", "/transfer?to=b"} {
			answer, err := request(t, client, method, base+path)
			require.NoError(t, err)
			assert.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
			assert.Equal(t, http.MethodPost, answer.Header.Get("Allow"))
		}
	}
	assert.Empty(t, e.resigned)

	e.resign = func(context.Context, string) error { return errors.New("the disk is full") }
	answer := post("/resign")
	assert.Equal(t, http.StatusInternalServerError, answer.StatusCode)
	assert.Contains(t, answer.body, "could not be written: the disk is full")
	assert.NotContains(t, answer.body, "resigned\":true")
	assert.Len(t, lines.with("did not hand the leadership over on request"), 1)

	e.resign = func(context.Context, string) error { return ErrNotLeader }
	assert.Equal(t, http.StatusConflict, post("/resign").StatusCode, "it lost the leadership meanwhile")

	e.leads, e.resigned = false, nil
	e.resign = func(context.Context, string) error { return nil }
	answer = post("/transfer?to=b")
	assert.Empty(t, e.resigned)
	assert.Equal(t, http.StatusConflict, answer.StatusCode)
	assert.Contains(t, answer.body, `not the leader: that is "b" at 10.0.0.2:8443`)
}

var long = strings.Repeat("x", maxIdentifier+1)

func TestHandoverOfAnElectorThatCannotIsNotImplemented(t *testing.T) {
	t.Parallel()
	client, url, _ := handoverServer(t, &fakeElector{leads: true})
	answer, err := request(t, client, http.MethodPost, url+"/resign")
	require.NoError(t, err)
	assert.Equal(t, http.StatusNotImplemented, answer.StatusCode)
}

func TestHandoverWithoutAVerifiedCertificateIsRefused(t *testing.T) {
	t.Parallel()
	ca, clock, e := newTestCA(t, "ca"), &testClock{}, newResigningElector()
	_, url := startHealthServer(t, HealthServerConfig{
		Certificate: ca.issue(t, "server"), ClientCACert: ca.pem, AllowHandover: true, Elector: e,
	}, clock.now)
	_, err := request(t, testClient(t, ca, nil), http.MethodPost, url+"/resign")
	require.Error(t, err)

	cert := ca.issue(t, "operator", lasting(time.Hour))
	client := testClient(t, ca, &cert)
	answer, err := request(t, client, http.MethodGet, url)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	clock.advance(2 * time.Hour)
	answer, err = request(t, client, http.MethodPost, url+"/resign")
	require.NoError(t, err)
	assert.Equal(t, http.StatusForbidden, answer.StatusCode)
	assert.Empty(t, e.resigned)
}

func TestHandoverThatIsNotConfirmedInTimeSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, e, network := newTestCA(t, "ca"), newResigningElector(), newPipeNet()
		e.resign = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		h, err := newHealthServer(HealthServerConfig{
			BindAddress: ":1", Certificate: ca.issue(t, "server"), ClientCACert: ca.pem, AllowHandover: true, Elector: e, Logger: quiet(),
		}, time.Now)
		require.NoError(t, err)
		require.NoError(t, h.start(t.Context(), network.listen))
		cert := ca.issue(t, "operator")
		for _, change := range []func(*http.Transport){func(*http.Transport) {}, onlyHTTP1} {
			client := testClient(t, ca, &cert, change, func(transport *http.Transport) { transport.DialContext = network.dial })
			begun := time.Now()
			answer, err := request(t, client, http.MethodPost, pipeURL+"/resign")
			require.NoError(t, err, "the answer outlasts the server's time-outs")
			assert.Equal(t, http.StatusGatewayTimeout, answer.StatusCode)
			assert.Contains(t, answer.body, "not confirmed within 18s")
			assert.Equal(t, DefaultLeaderTimeout+DefaultPeerTimeout, time.Since(begun))
			client.CloseIdleConnections()
		}
		require.NoError(t, h.Stop(t.Context()))
	})
}

func TestHandoverGoesOnWhenItsClientLeavesAndTheServerStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, e, network := newTestCA(t, "ca"), newResigningElector(), newPipeNet()
		release, seen := make(chan struct{}), make(chan error, 1)
		e.resign = func(ctx context.Context, _ string) error {
			<-release
			seen <- ctx.Err()
			return nil
		}
		h, err := newHealthServer(HealthServerConfig{
			BindAddress: ":1", Certificate: ca.issue(t, "server"), ClientCACert: ca.pem, AllowHandover: true, Elector: e, Logger: quiet(),
		}, time.Now)
		require.NoError(t, err)
		require.NoError(t, h.start(t.Context(), network.listen))
		cert := ca.issue(t, "operator")
		client := testClient(t, ca, &cert, func(transport *http.Transport) { transport.DialContext = network.dial })
		asking, leave := context.WithCancel(t.Context())
		req := question(t, pipeURL+"/resign").WithContext(asking)
		req.Method = http.MethodPost
		asked, stopped := make(chan error), make(chan error)
		go func() {
			_, err := carry(client.Transport, req)
			asked <- err
		}()
		synctest.Wait()
		leave()
		require.Error(t, <-asked)
		go func() { stopped <- h.Stop(t.Context()) }()
		synctest.Wait()
		close(release)
		require.NoError(t, <-seen)
		require.NoError(t, <-stopped)
	})
}

func TestRealLeadershipIsHandedOver(t *testing.T) {
	t.Parallel()
	storage, err := NewMockStorage(t.TempDir())
	require.NoError(t, err)
	e := startElector(t, storage, "a")
	require.NoError(t, e.WaitForLeadership(t.Context()))
	client, target, _ := handoverServer(t, e)
	answer, err := request(t, client, http.MethodPost, target+"/transfer?to="+url.QueryEscape("b"))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.JSONEq(t, `{"resigned":true,"leaderID":"a","term":1,"successor":"b"}`, answer.body)
	record, err := ReadLeaderRecord(t.Context(), storage, testKey)
	require.NoError(t, err)
	assert.True(t, record.Resigned())
	assert.Equal(t, "b", record.Successor)
	answer, err = request(t, client, http.MethodPost, target+"/resign")
	require.NoError(t, err)
	assert.Equal(t, http.StatusConflict, answer.StatusCode)
	require.NoError(t, e.Stop())
}
