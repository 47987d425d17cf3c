package rounds

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// faulty is a storage in memory whose writes go as the test says.
type faulty struct {
	s3lect.Storage
	put func(ctx context.Context, land func() error) error
}

func (f *faulty) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	return f.put(ctx, func() error {
		return f.Storage.PutIfMatch(context.WithoutCancel(ctx), key, data, etag)
	})
}

func serverOf(t *testing.T, storage s3lect.Storage, options HandlerOptions) *httptest.Server {
	t.Helper()
	r, err := New(storage, Options{})
	require.NoError(t, err)
	if options.Logger == nil {
		options.Logger = mute()
	}
	h, err := NewHandler(r, options)
	require.NoError(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// talk sends bytes as they are and reads one answer.
func talk(t *testing.T, conn net.Conn, sent string) (status int, head http.Header, body string) {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err := io.WriteString(conn, sent)
	require.NoError(t, err)
	return hear(t, bufio.NewReader(conn), strings.HasPrefix(sent, "HEAD"))
}

func hear(t *testing.T, r *bufio.Reader, toHead bool) (status int, head http.Header, body string) {
	t.Helper()
	req := &http.Request{Method: http.MethodGet}
	if toHead {
		req.Method = http.MethodHead
	}
	response, err := http.ReadResponse(r, req)
	require.NoError(t, err)
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(read)
}

func dial(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestRequestsAsTheyComeOverTheWire(t *testing.T) {
	server := serverOf(t, memory.New(), HandlerOptions{})
	const host = " HTTP/1.1\r\nHost: x\r\n"
	for _, step := range []struct {
		request      string
		status       int
		result, body string
	}{
		{"HEAD /api/v1/elect/s/r" + host, 405, CodeMethodNotAllowed, ""},
		{"GET /api/v1/elected/s/r" + host, 204, ResultNobody, ""}, // HEAD has not elected
		{"GET /api/v1/elect/s/r HTTP/1.0\r\n", 202, ResultElected, "elected\n"},
		{"HEAD /api/v1/elected/s/r" + host, 200, ResultKnown, ""},
		{"GET http://elsewhere/api/v1/elected/s/r" + host, 200, ResultKnown, "127.0.0.1"},
		{"GET /api/v1/elect/s/08:00+1%2B1" + host + "X-Candidate-Id:   a  \r\n", 202, ResultElected, "elected\n"},
		{"GET /api/v1/elect/s/08%3A00%2b1+1?candidate=a" + host, 202, ResultElected, "elected\n"},
		{"GET /api/v1/elect/s/x" + host + "X-Candidate-Id: \xff\xfe\r\n", 400, CodeBadCandidate, "*"},
		{"GET /api/v1/elect/s/x" + host + "X-Candidate-Id: a\r\nx-candidate-id: a\r\n", 400, CodeBadCandidate, "*"},
		{"GET /api/v1/elect/s/x%0d%0aX-Evil:1" + host, 400, CodeBadIdentifier, "*"},
		{"GET /api/v1/elect/s/../r" + host, 404, CodeNotFound, "*"},
		{"GET /api/v1/elect/s/" + strings.Repeat("x", 100_000) + host, 400, CodeBadIdentifier, "*"},
		{"GET /api/v1/elect/s/x?candidate=" + strings.Repeat("x", 100_000) + host, 400, CodeBadCandidate, "*"},
		{"GET /api/v1/elect/s/x?" + strings.Repeat("a=b&", 100) + "candidate=a" + host, 202, ResultElected, "elected\n"},
		{"GET /api/v1/elect/s/y?candidate=a" + host + strings.Repeat("Accept: a/b\r\nX-Y: z\r\n", 5000), 202, ResultElected, "elected\n"},
		{"GET /api/v1/elect/s/z" + host + "Content-Length: 5000\r\n", 413, CodeTooLarge, "*"},
		{"POST /api/v1/complete/s/z" + host + "Content-Length: 5000\r\nExpect: 100-continue\r\n", 413, CodeTooLarge, "*"},
		{"GET /api/v1/elected/s/z" + host, 204, ResultNobody, ""},
	} {
		about := fmt.Sprintf("%.60q", step.request)
		status, head, body := talk(t, dial(t, server), step.request+"\r\n")
		assert.Equal(t, step.status, status, about)
		assert.Equal(t, step.result, head.Get(ResultHeader), about)
		assert.Empty(t, head.Get("X-Evil"))
		if step.body != "*" {
			assert.Equal(t, step.body, body, about)
		} else {
			assert.NotEmpty(t, body)
		}
	}
}

func TestAnswersOnOneConnectionDoNotMix(t *testing.T) {
	server := serverOf(t, memory.New(), HandlerOptions{})
	conn := dial(t, server)
	_, err := io.WriteString(conn, "POST /api/v1/complete/s/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"+
		"GET /api/v1/elect/s/1?candidate=a HTTP/1.1\r\nHost: x\r\n\r\nGET /api/v1/completed/s/1 HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	for _, want := range []int{200, 202, 200} {
		status, _, _ := hear(t, r, false)
		assert.Equal(t, want, status)
	}
}

func TestEndlessBodyIsCutOffAfterTheTimeout(t *testing.T) {
	server := serverOf(t, memory.New(), HandlerOptions{Timeout: 50 * time.Millisecond})
	for _, length := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
		conn := dial(t, server)
		status, head, _ := talk(t, conn, "POST /api/v1/complete/s/slow HTTP/1.1\r\nHost: x\r\n"+length+"\r\n\r\n")
		assert.Equal(t, 408, status)
		assert.Equal(t, CodeSlowBody, head.Get(ResultHeader))
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF, "the connection is closed")
	}
	status, _, _ := talk(t, dial(t, server), "GET /api/v1/completed/s/slow HTTP/1.1\r\nHost: x\r\n\r\n")
	assert.Equal(t, 204, status)
}

func TestLargeChunkedBodyIsRefusedWithoutItsEnd(t *testing.T) {
	server := serverOf(t, memory.New(), HandlerOptions{})
	status, head, _ := talk(t, dial(t, server), "POST /api/v1/complete/s/r HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n"+strings.Repeat("x", 0x2000))
	assert.Equal(t, 413, status)
	assert.Equal(t, CodeTooLarge, head.Get(ResultHeader))
}

func TestRequestersOverAUnixSocketAreServed(t *testing.T) {
	r, err := New(memory.New(), Options{})
	require.NoError(t, err)
	h, err := NewHandler(r, HandlerOptions{Logger: mute()})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: h}}
	server.Start()
	defer server.Close()

	get := func(operation string) (status int, body string) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
		require.NoError(t, err)
		defer conn.Close()
		status, _, body = talk(t, conn, "GET /api/v1/"+operation+"/s/r HTTP/1.1\r\nHost: x\r\n\r\n")
		return status, body
	}
	status, _ := get("elect")
	assert.Equal(t, 202, status)
	status, _ = get("elect")
	assert.Equal(t, 204, status)
	_, body := get("elected")
	assert.Equal(t, "unix", body)
}

// Whose client has gone while the claim was on its way asks again, and is told that it has won.
func TestClaimOfAClientThatHasGoneIsNotLost(t *testing.T) {
	for _, claim := range []string{"lands", "lands and is confirmed", "does not land"} {
		for _, query := range []string{"?candidate=a", ""} {
			t.Run(fmt.Sprintf("%s %q", claim, query), func(t *testing.T) {
				writing, answered := make(chan struct{}), make(chan Outcome, 1)
				var writes atomic.Int32
				storage := &faulty{memory.New(), func(ctx context.Context, land func() error) error {
					if writes.Add(1) > 1 {
						return land()
					}
					var err error
					if claim != "does not land" {
						err = land()
					}
					close(writing)
					<-ctx.Done()
					if claim == "lands and is confirmed" {
						return err
					}
					return ctx.Err()
				}}
				server := serverOf(t, storage, HandlerOptions{Timeout: time.Minute, Observe: func(o Outcome) {
					select {
					case answered <- o:
					default:
					}
				}})
				conn := dial(t, server)
				_, err := io.WriteString(conn, "GET /api/v1/elect/s/r"+query+" HTTP/1.1\r\nHost: x\r\n\r\n")
				require.NoError(t, err)
				<-writing
				require.NoError(t, conn.Close())
				gone := <-answered
				if query == "" || claim != "lands and is confirmed" { // whoever has an identity is told again anyway
					assert.Equal(t, ResultError, gone.Result)
					assert.ErrorIs(t, gone.Err, ErrUndecided)
				}

				const end = " HTTP/1.1\r\nHost: x\r\n\r\n"
				status, _, _ := talk(t, dial(t, server), "GET /api/v1/elect/s/r"+query+end)
				assert.Equal(t, 202, status)
				status, _, _ = talk(t, dial(t, server), "GET /api/v1/elect/s/r?candidate=b"+end)
				assert.Equal(t, 204, status)
			})
		}
	}
}

func TestHangingStorageIsA500InTime(t *testing.T) {
	storage := &faulty{memory.New(), func(ctx context.Context, _ func() error) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	server := serverOf(t, storage, HandlerOptions{Timeout: 50 * time.Millisecond})
	status, head, body := talk(t, dial(t, server), "GET /api/v1/elect/s/r HTTP/1.1\r\nHost: x\r\n\r\n")
	assert.Equal(t, 500, status)
	assert.Equal(t, "1", head.Get("Retry-After"))
	assert.Contains(t, body, "ask again")
}

// dropping hangs up on some requests before they are served, and on some others after it.
func dropping(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch rand.N(4) {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			h.ServeHTTP(httptest.NewRecorder(), req)
			panic(http.ErrAbortHandler)
		default:
			h.ServeHTTP(w, req)
		}
	})
}

// Connections break, replies of the storage are lost, and servers answer 500, again and again: all
// the same exactly one client is told that it has won, all others that it is that one.
func TestClientsAgreeOnOneWinnerWhateverBreaks(t *testing.T) {
	const clients, races = 8, 10
	storage := &faulty{memory.New(), func(_ context.Context, land func() error) error {
		switch rand.N(3) {
		case 0:
			return errors.New("no answer") // and nothing done
		case 1:
			return errors.Join(land(), errors.New("the answer is lost"))
		default:
			return land()
		}
	}}
	var servers []string
	for range 2 {
		inner := serverOf(t, storage, HandlerOptions{})
		outer := httptest.NewServer(dropping(inner.Config.Handler))
		t.Cleanup(outer.Close)
		servers = append(servers, outer.URL)
	}
	for race := range races {
		round := fmt.Sprint(race)
		var mu sync.Mutex
		var winners []string
		elected := map[string]int{}
		var asking sync.WaitGroup
		for i := range clients {
			asking.Go(func() {
				c, err := NewClient(ClientOptions{Servers: []string{servers[i%2], servers[(i+1)%2]}, ID: fmt.Sprint("client-", i)})
				if !assert.NoError(t, err) {
					return
				}
				won, state, err := c.Elect(t.Context(), "s", round)
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				elected[state.Elected.ID]++
				if won {
					winners = append(winners, c.ID())
				}
			})
		}
		asking.Wait()
		require.Len(t, winners, 1)
		assert.Equal(t, map[string]int{winners[0]: clients}, elected)

		c := clientOf(t, ClientOptions{Servers: servers, ID: winners[0]})
		_, err := c.Complete(t.Context(), "s", round)
		require.NoError(t, err)
		_, err = clientOf(t, ClientOptions{Servers: servers}).Complete(t.Context(), "s", round)
		require.ErrorIs(t, err, ErrNotElected)
	}
}

func TestHundredRacersWithoutIdentityAndOneIsTold202(t *testing.T) {
	server := serverOf(t, memory.New(), HandlerOptions{})
	var asking sync.WaitGroup
	var won, lost atomic.Int32
	for range 100 {
		asking.Go(func() {
			response, err := server.Client().Get(server.URL + "/api/v1/elect/s/r")
			if !assert.NoError(t, err) {
				return
			}
			response.Body.Close()
			switch response.StatusCode {
			case http.StatusAccepted:
				won.Add(1)
			case http.StatusNoContent:
				lost.Add(1)
			}
		})
	}
	asking.Wait()
	assert.EqualValues(t, 1, won.Load())
	assert.EqualValues(t, 99, lost.Load())
}

func TestEndlessBodyOverHTTP2IsCutOffToo(t *testing.T) {
	script := &scripted{}
	server := httptest.NewUnstartedServer(handlerOf(t, script, HandlerOptions{Timeout: 50 * time.Millisecond}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	body, endless := io.Pipe()
	defer endless.Close()
	response, err := server.Client().Post(server.URL+"/api/v1/complete/s/r", "text/plain", body)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, 2, response.ProtoMajor)
	assert.Equal(t, http.StatusRequestTimeout, response.StatusCode)
	assert.Empty(t, script.asked)
}

func TestRoundIsNotLostToAPanicOfItsStorage(t *testing.T) {
	for _, query := range []string{"?candidate=a", ""} {
		var writes atomic.Int32
		storage := &faulty{memory.New(), func(_ context.Context, land func() error) error {
			err := land()
			if writes.Add(1) == 1 {
				panic("after it was written")
			}
			return err
		}}
		server := serverOf(t, storage, HandlerOptions{})
		const end = " HTTP/1.1\r\nHost: x\r\n\r\n"
		conn := dial(t, server)
		for _, want := range []int{500, 202} {
			status, _, _ := talk(t, conn, "GET /api/v1/elect/s/r"+query+end)
			assert.Equal(t, want, status, "the connection stays")
		}
		status, _, _ := talk(t, conn, "GET /api/v1/elect/s/r?candidate=b"+end)
		assert.Equal(t, 204, status)
	}
}
