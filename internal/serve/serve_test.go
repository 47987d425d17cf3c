package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// hold makes the API a handler that answers when it is told to.
func hold(entered, answer chan struct{}, heedsContext bool) func(*Options) {
	return func(o *Options) {
		o.NewAPI = func(func(*http.Request) error) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				entered <- struct{}{}
				gone := req.Context().Done()
				if !heedsContext {
					gone = nil
				}
				select {
				case <-answer:
				case <-gone:
				}
				_, _ = io.WriteString(w, "done")
			}), nil
		}
	}
}

func TestRoundsAreAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		assert.Equal(t, 202, f.ask(http.MethodGet, "/api/v1/elect/billing/1", "X-Candidate-Id", "a").StatusCode)
		assert.Equal(t, 204, f.ask(http.MethodGet, "/api/v1/elect/billing/1", "X-Candidate-Id", "b").StatusCode)
		got := f.get("/api/v1/elected/billing/1")
		assert.Equal(t, 200, got.StatusCode)
		assert.Equal(t, "192.0.2.7", got.body)
		require.NoError(t, f.end())
	})
}

func TestOtherPathsAreNotFoundAndNeverRedirected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		for _, path := range []string{
			"/", "/nothing", "/api", "//api/v1/elect/s/1", "/x/../api/v1/elect/s/1", "/healthz/", "/Healthz", "/%68ealthz",
			"/api/../healthz", "/api/v1/elect/s/..%2f1", "/leader/", "/leader", "/leader/watch",
		} {
			got := f.get(path)
			assert.Contains(t, []int{400, 404}, got.StatusCode, path)
			assert.NotEmpty(t, got.body, path)
			assert.NotEmpty(t, got.Header.Get("S3lect-Result"), path)
		}
		assert.Contains(t, f.get("/leader").body, "--key")
		assert.NotContains(t, f.get("/nothing").body, "/leader", "there is none without an election")
		got := f.ask(http.MethodGet, "/nothing", "Accept", "application/json")
		assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
		assert.Contains(t, got.body, `"code":"not_found"`)
		require.NoError(t, f.end())
	})
}

func TestOnlyLookingIsAnsweredBesideTheAPI(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, withSidecar(t))
		time.Sleep(time.Second)
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/leader", "/leader/self", "/leader/watch"} {
			got := f.ask(http.MethodPost, path)
			assert.Equal(t, 405, got.StatusCode, path)
			assert.Contains(t, got.Header.Get("Allow"), "GET", path)
			if path != "/leader/watch" {
				got = f.ask(http.MethodHead, path)
				assert.Equal(t, 200, got.StatusCode, path)
				assert.Empty(t, got.body)
			}
		}
		assert.Equal(t, 405, f.ask(http.MethodHead, "/leader/watch").StatusCode)
		require.NoError(t, f.end())
	})
}

func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		entered, answer := make(chan struct{}), make(chan struct{})
		f := start(t, hold(entered, answer, true))
		answered := make(chan reply, 1)
		go func() {
			got, err := f.try(http.MethodGet, "/api/x")
			assert.NoError(t, err)
			answered <- got
		}()
		<-entered
		f.stop()
		time.Sleep(9 * time.Second)
		_, err := f.network.dial(t.Context(), "", "")
		assert.Error(t, err, "nothing new is accepted")
		select {
		case err := <-f.served:
			t.Fatalf("has not waited: %v", err)
		default:
		}
		close(answer)
		assert.Equal(t, "done", (<-answered).body)
		require.NoError(t, <-f.served)
	})
}

func TestShutdownCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		entered, answer := make(chan struct{}), make(chan struct{})
		f := start(t, hold(entered, answer, true))
		go func() {
			_, err := f.try(http.MethodGet, "/api/x")
			assert.Error(t, err)
		}()
		<-entered
		began := time.Now()
		require.ErrorContains(t, f.end(), "requests were cut off, 1 in all: ")
		assert.Equal(t, 10*time.Second, time.Since(began))
		synctest.Wait()
		assert.Len(t, f.log.with("cut=true"), 1, "the line of the request does not look answered")
	})
}

func TestNewConnectionsDoNotDelayTheShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		conn := f.dial()
		defer conn.Close()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, f.end())
		assert.Less(t, time.Since(began), time.Second)
	})
}

func TestServerServesOnThroughItsShutdownDelayAndLeadsNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) {
			o.Delay = 5 * time.Second
			withSidecar(t)(o)
		})
		time.Sleep(time.Second)
		require.Equal(t, 200, f.get("/leader/self").StatusCode)
		f.stop()
		time.Sleep(4 * time.Second)
		got := f.get("/readyz")
		assert.Equal(t, 503, got.StatusCode)
		assert.Equal(t, "the server is shutting down\n", got.body)
		assert.Equal(t, 200, f.get("/healthz").StatusCode)
		assert.Equal(t, 202, f.ask(http.MethodGet, "/api/v1/elect/s/1").StatusCode)
		for _, path := range []string{"/leader", "/leader/self", "/leader/watch"} {
			got := f.get(path)
			assert.Equal(t, 503, got.StatusCode, path)
			assert.Contains(t, got.body, `"code":"shutting_down"`)
		}
		record, err := s3lect.ReadLeaderRecord(t.Context(), f.storage, "leader.json")
		require.NoError(t, err)
		assert.True(t, record.Resigned(), "others need not wait for the delay")
		require.NoError(t, <-f.served)
	})
}

// stuck is a storage whose writes hang until their context ends, once they are made to.
type stuck struct {
	*memory.Storage

	hang chan struct{} // closed from then on
}

func (s stuck) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (string, error) {
	select {
	case <-s.hang:
		<-ctx.Done()
		return "", ctx.Err()
	default:
		return s.Storage.PutIfMatchETag(ctx, key, data, etag)
	}
}

func (s stuck) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := s.PutIfMatchETag(ctx, key, data, etag)
	return err
}

func TestLeadershipThatCannotBeReleasedIsTold(t *testing.T) {
	t.Parallel()
	for drain, says := range map[time.Duration]string{
		time.Minute: "the leadership was not released and ends with its lease: ",
		time.Second: "the leadership was not released in time and ends with its lease",
	} {
		synctest.Test(t, func(t *testing.T) {
			storage := stuck{memory.New(), make(chan struct{})}
			f := start(t, func(o *Options) {
				o.Storage, o.Drain = storage, drain
				withSidecar(t)(o)
			})
			time.Sleep(time.Second)
			require.Equal(t, 200, f.get("/leader/self").StatusCode)
			close(storage.hang)
			began := time.Now()
			require.ErrorContains(t, f.end(), says)
			assert.LessOrEqual(t, time.Since(began), drain)
			time.Sleep(time.Minute) // what was left behind ends by itself
		})
	}
}

// broken is a listener that fails.
type broken struct{ *network }

func (broken) Accept() (net.Conn, error) { return nil, errors.New("no more") }

func TestListenerThatFailsEndsTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{t: t, log: &logLines{}, storage: memory.New()}
		options := f.options()
		withSidecar(t)(&options)
		server, err := New(options)
		require.NoError(t, err)
		require.ErrorContains(t, server.Serve(t.Context(), broken{newNetwork()}), "the listener has failed: no more")
	})
}

func TestSlowRequestsAreCutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sends string
		after time.Duration
	}{
		"nothing":                  {"", headerTimeout},
		"half a head":              {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-", headerTimeout},
		"half a body":              {"POST /api/v1/complete/s/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", readTimeout},
		"half a body nobody needs": {"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", readTimeout},
		"one and no end":           {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, nil)
				conn := f.dial()
				began := time.Now()
				_, err := io.WriteString(conn, c.sends)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, conn) // until it is closed
				require.NoError(t, err)
				assert.LessOrEqual(t, time.Since(began), c.after+500*time.Millisecond)
				require.NoError(t, f.end())
			})
		})
	}
}

func TestAnswerThatNobodyReadsIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		conn := f.dial()
		defer conn.Close()
		_, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, <-stopAfter(f, 20*time.Second))
		assert.LessOrEqual(t, time.Since(began), 20*time.Second, "the connection is closed by then")
	})
}

// stopAfter is an operator with a plan.
func stopAfter(f *fixture, d time.Duration) <-chan error {
	time.AfterFunc(d, f.stop)
	return f.served
}

func TestHeadOfARequestIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		got := f.ask(http.MethodGet, "/healthz", "X-Long", strings.Repeat("x", 2*maxHeader))
		assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, got.StatusCode)
		require.NoError(t, f.end())
	})
}

func TestConnectionsBeyondTheLimitWaitUntilOneIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) { o.MaxConnections = 2 })
		first, second := f.dial(), f.dial()
		entered := make(chan net.Conn)
		go func() { entered <- f.dial() }()
		synctest.Wait()
		select {
		case <-entered:
			t.Fatal("there was no room for a third one")
		default:
		}
		assert.Len(t, f.log.with("others have to wait"), 1)
		require.NoError(t, first.Close())
		third := <-entered
		_, err := io.WriteString(third, "GET /metrics HTTP/1.0\r\n\r\n")
		require.NoError(t, err)
		body, err := io.ReadAll(third)
		require.NoError(t, err)
		assert.Contains(t, string(body), "\ns3lect_http_connections 2\n")
		require.NoError(t, second.Close())
		require.NoError(t, f.end())
	})
}

func TestFullServerEndsLikeAnyOther(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			entered, answer := make(chan struct{}), make(chan struct{})
			f := start(t, func(o *Options) {
				o.MaxConnections = 1
				hold(entered, answer, true)(o)
			})
			go func() { _, _ = f.try(http.MethodGet, "/api/x") }()
			<-entered
			f.stop()
			if answers {
				close(answer)
				require.NoError(t, <-f.served)
			} else {
				require.Error(t, <-f.served)
			}
		})
	}
}
