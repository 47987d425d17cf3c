package rounds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func clientOf(t *testing.T, options ClientOptions) *Client {
	t.Helper()
	c, err := NewClient(options)
	require.NoError(t, err)
	return c
}

func TestClientIsToldWhatTheRoundsKnow(t *testing.T) {
	r, err := New(memory.New(), Options{})
	require.NoError(t, err)
	h, err := NewHandler(r, HandlerOptions{Tokens: []string{"secret"}, Logger: mute()})
	require.NoError(t, err)
	server := httptest.NewTLSServer(http.StripPrefix("/jobs", h))
	defer server.Close()
	of := func(id string) *Client {
		return clientOf(t, ClientOptions{Servers: []string{server.URL + "/jobs/"}, ID: id, Token: "secret", HTTPClient: server.Client()})
	}
	a, b := of("host a/1"), of("")
	ctx := t.Context()
	const system, round = "a.b_c@d=e,f~g", "2026-11-21T08:00+01:00"

	state, err := a.Elected(ctx, system, round)
	require.NoError(t, err)
	assert.Equal(t, State{System: system, Round: round}, state)

	won, state, err := a.Elect(ctx, system, round)
	require.NoError(t, err)
	assert.True(t, won)
	assert.Equal(t, "host a/1", state.Elected.ID)
	again, state2, err := a.Elect(ctx, system, round)
	require.NoError(t, err)
	assert.True(t, again)
	assert.Equal(t, state, state2)

	lost, state2, err := b.Elect(ctx, system, round)
	require.NoError(t, err)
	assert.False(t, lost)
	assert.Equal(t, state, state2, "a loser is told who has won")

	_, err = b.Complete(ctx, system, round)
	var refused *NotElectedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, state.Elected, refused.Elected)
	assert.NotErrorIs(t, err, ErrUndecided)
	state2, err = b.Completed(ctx, system, round)
	require.NoError(t, err)
	assert.Equal(t, state, state2)

	state, err = a.Complete(ctx, system, round)
	require.NoError(t, err)
	assert.Equal(t, "host a/1", state.Completed.ID)
	kept, err := r.Completed(ctx, system, round)
	require.NoError(t, err)
	assert.Equal(t, kept, state)
	for _, ask := range []func(context.Context, string, string) (State, error){a.Complete, b.Completed, b.Elected} {
		got, err := ask(ctx, system, round)
		require.NoError(t, err)
		assert.Equal(t, kept, got)
	}

	_, err = r.Complete(ctx, system, "2", Candidate{Address: "192.0.2.1"})
	require.NoError(t, err)
	_, _, err = a.Elect(ctx, system, "2")
	require.NoError(t, err)
	_, err = a.Complete(ctx, system, "2")
	var completed *AlreadyCompletedError
	require.ErrorAs(t, err, &completed)
	assert.Equal(t, "192.0.2.1", completed.Completed.Address)
}

func TestIdentityIsMadeOncePerClient(t *testing.T) {
	options := ClientOptions{Servers: []string{"http://localhost"}}
	a, b := clientOf(t, options), clientOf(t, options)
	assert.NotEqual(t, a.ID(), b.ID())
	assert.GreaterOrEqual(t, len(a.ID()), 26)
	options.ID = "mine"
	assert.Equal(t, "mine", clientOf(t, options).ID())
}

// transport answers requests as the test says.
type transport func(req *http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func responseOf(status int, body string, headers ...header) *http.Response {
	w := httptest.NewRecorder()
	for _, line := range headers {
		w.Header().Add(line[0], line[1])
	}
	w.WriteHeader(status)
	w.Body = bytes.NewBufferString(body)
	return w.Result()
}

func result(name string) header { return header{ResultHeader, name} }

const (
	stateOfMe    = `{"system":"s","round":"r","version":1,"elected":{"id":"me","at":"2026-11-21T08:00:00Z"}}`
	stateOfOther = `{"system":"s","round":"r","version":1,"elected":{"id":"other","at":"2026-11-21T08:00:00Z"}}`
	stateOfNone  = `{"system":"s","round":"r","version":0}`
	stateOfRound = `{"system":"s","round":"R","version":1,"elected":{"id":"me","at":"2026-11-21T08:00:00Z"}}`
	completedBy  = `{"system":"s","round":"r","version":2,"elected":{"id":"me","at":"2026-11-21T08:00:00Z"},"completed":{"id":"%s","at":"2026-11-21T08:00:00Z"}}`
)

func TestAnswerThatIsNotOfRoundsIsNotBelieved(t *testing.T) {
	html, inJSON := header{"Content-Type", "text/html"}, header{"Content-Type", "application/json"}
	for name, answer := range map[string]func() *http.Response{
		"HTML of a proxy":          func() *http.Response { return responseOf(200, "<html>Sign in</html>", html) },
		"JSON of something else":   func() *http.Response { return responseOf(200, stateOfMe, inJSON) },
		"202 of something else":    func() *http.Response { return responseOf(202, stateOfMe, inJSON) },
		"204 of something else":    func() *http.Response { return responseOf(204, "") },
		"201":                      func() *http.Response { return responseOf(201, stateOfMe, result(ResultElected)) },
		"206":                      func() *http.Response { return responseOf(206, stateOfMe, result(ResultElected)) },
		"redirect":                 func() *http.Response { return responseOf(302, "", header{"Location", "http://evil.example/"}) },
		"redirect with our header": func() *http.Response { return responseOf(307, "", result(ResultElected), header{"Location", "/x"}) },
		"404 of something else":    func() *http.Response { return responseOf(404, "not found") },
		"400 of something else":    func() *http.Response { return responseOf(400, `{"error":"no","code":"not_elected"}`) },
		"502 of a proxy":           func() *http.Response { return responseOf(502, "<html>Bad Gateway</html>", html) },
		"400 without a reason":     func() *http.Response { return responseOf(400, "", result(CodeNotElected)) },
		"400 with two reasons":     func() *http.Response { return responseOf(400, `{"code":"not_elected"}`, result(CodeTooLarge)) },
		"204 without a state":      func() *http.Response { return responseOf(204, "", result(ResultNotElected)) },
		"204 with half a state":    func() *http.Response { return responseOf(204, "", result(ResultNotElected), header{StateHeader, "{"}) },
		"no JSON":                  func() *http.Response { return responseOf(202, "elected\n", result(ResultElected)) },
		"another round":            func() *http.Response { return responseOf(202, stateOfRound, result(ResultElected)) },
		"another system": func() *http.Response {
			return responseOf(202, strings.Replace(stateOfMe, `"s"`, `"S"`, 1), result(ResultElected))
		},
		"202 for another one":        func() *http.Response { return responseOf(202, stateOfOther, result(ResultElected)) },
		"202 for nobody":             func() *http.Response { return responseOf(202, stateOfNone, result(ResultElected)) },
		"202 with the header of 204": func() *http.Response { return responseOf(202, stateOfMe, result(ResultNotElected)) },
		"200 with the header of 202": func() *http.Response { return responseOf(200, stateOfMe, result(ResultElected)) },
		"lost, and yet mine": func() *http.Response {
			return responseOf(204, "", result(ResultNotElected), header{StateHeader, stateOfMe})
		},
		"lost, and yet nobody's": func() *http.Response {
			return responseOf(204, "", result(ResultNotElected), header{StateHeader, stateOfNone})
		},
		"nobody, and yet somebody": func() *http.Response {
			return responseOf(204, "", result(ResultNobody), header{StateHeader, fmt.Sprintf(completedBy, "me")})
		},
		"known, and yet nobody": func() *http.Response { return responseOf(200, stateOfNone, result(ResultKnown)) },
		"recorded, and yet not": func() *http.Response { return responseOf(200, stateOfMe, result(ResultRecorded)) },
		"recorded for another": func() *http.Response {
			return responseOf(200, fmt.Sprintf(completedBy, "other"), result(ResultRecorded))
		},
		"more than anything has": func() *http.Response {
			return responseOf(202, stateOfMe+strings.Repeat(" ", maxReply), result(ResultElected))
		},
		"body that breaks off": func() *http.Response { return brokenOff(202, stateOfMe, result(ResultElected)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				c := clientOf(t, ClientOptions{Servers: []string{"http://localhost"}, ID: "me", Token: "t", Attempts: 2, HTTPClient: &http.Client{
					Transport: transport(func(req *http.Request) (*http.Response, error) {
						asked++
						assert.Equal(t, "localhost", req.URL.Host, "no redirect is followed")
						return answer(), nil
					}),
					CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
				}})
				for _, ask := range []func() (State, error){
					func() (State, error) {
						won, state, err := c.Elect(t.Context(), "s", "r")
						assert.False(t, won)
						return state, err
					},
					func() (State, error) { return c.Elected(t.Context(), "s", "r") },
					func() (State, error) { return c.Complete(t.Context(), "s", "r") },
					func() (State, error) { return c.Completed(t.Context(), "s", "r") },
				} {
					asked = 0
					state, err := ask()
					require.ErrorIs(t, err, ErrUndecided)
					assert.NotErrorIs(t, err, ErrNotElected)
					assert.NotErrorIs(t, err, ErrAlreadyCompleted)
					assert.Zero(t, state)
					assert.Equal(t, 2, asked, "it may be different next time")
					if strings.HasSuffix(name, "something else") {
						assert.ErrorContains(t, err, ResultHeader)
					}
					assert.NotContains(t, err.Error(), "\n")
					assert.Less(t, len(err.Error()), 500)
				}
			})
		})
	}
}

func brokenOff(status int, body string, headers ...header) *http.Response {
	response := responseOf(status, "", headers...)
	response.Body = io.NopCloser(io.MultiReader(strings.NewReader(body), errorReader{io.ErrUnexpectedEOF}))
	return response
}

// endless is a body that never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	if e.read > 100*maxReply {
		return 0, errors.New("more was read than anybody should")
	}
	return len(p), nil
}

func TestEndlessAnswerIsReadUpToItsLimit(t *testing.T) {
	body := &endless{}
	c := clientOf(t, ClientOptions{Servers: []string{"http://localhost"}, Attempts: 1, HTTPClient: &http.Client{
		Transport: transport(func(*http.Request) (*http.Response, error) {
			response := responseOf(202, "", result(ResultElected))
			response.Body = io.NopCloser(body)
			return response, nil
		}),
	}})
	_, _, err := c.Elect(t.Context(), "s", "r")
	require.ErrorIs(t, err, ErrUndecided)
	assert.Less(t, body.read, 10*maxReply)
}

// serversIn is what one request after the other is answered, and where they went.
type serversIn struct {
	answers []turn
	asked   []string
	at      []time.Duration
	began   time.Time
}

func (s *serversIn) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, req.URL.Host)
	s.at = append(s.at, time.Since(s.began))
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if next.status == 0 {
		return nil, errors.New("connection refused")
	}
	return responseOf(next.status, next.body, next.headers...), nil
}

// turn is what one request is answered; without a status, that nobody is there.
type turn struct {
	status  int
	body    string
	headers []header
}

var (
	refusing   = turn{}
	electing   = turn{202, stateOfMe, []header{result(ResultElected)}}
	failing    = turn{500, `{"error":"could not tell","code":"undecided"}`, []header{result(CodeUndecided), {"Retry-After", "1"}}}
	forbidding = turn{401, `{"error":"a token is needed","code":"unauthorized"}`, []header{result(CodeUnauthorized)}}
)

func limiting(after string) turn {
	return turn{429, `{"error":"too many","code":"rate_limited"}`, []header{result(CodeRateLimited), {"Retry-After", after}}}
}

func playing(t *testing.T, servers int, answers ...turn) (*serversIn, *Client) {
	t.Helper()
	play := &serversIn{answers: answers, began: time.Now()}
	options := ClientOptions{ID: "me", HTTPClient: &http.Client{Transport: play}}
	for i := range servers {
		options.Servers = append(options.Servers, fmt.Sprintf("http://%d", i))
	}
	return play, clientOf(t, options)
}

func TestClientAsksAgainUntilItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxy := turn{503, "busy", []header{{"Retry-After", "2"}}}
		play, c := playing(t, 3, refusing, failing, limiting("3"), proxy, refusing, electing)
		won, _, err := c.Elect(t.Context(), "s", "r")
		require.NoError(t, err)
		assert.True(t, won)
		assert.Equal(t, []string{"0", "1", "2", "0", "1", "1"}, play.asked, "the one after it, or else the first that may be asked")
		assert.Equal(t, play.at[0], play.at[1], "where nobody is, there is nobody to wait for")
		assert.Less(t, play.at[3], time.Second, "a server's wish to be left alone is not another's")
		assert.GreaterOrEqual(t, play.at[4]-play.at[1], time.Second, "but its own")
		assert.Less(t, play.at[5], 2*time.Second, "neither the third nor the first wants to be asked by then")

		_, _, err = c.Elect(t.Context(), "s", "r")
		require.NoError(t, err)
		assert.Equal(t, "1", play.asked[6], "who has answered is asked first")
	})
}

func TestRefusalOfACompletionIsBelievedWhereItFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := playing(t, 1, turn{400, `{"error":"no","code":"already_completed"}`, []header{result(CodeAlreadyCompleted)}})
		_, err := c.Complete(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided, "by whom?")
		assert.NotErrorIs(t, err, ErrAlreadyCompleted)

		_, c = playing(t, 1, turn{400, `{"error":"no","code":"not_elected"}`, []header{result(CodeNotElected)}})
		_, err = c.Complete(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrNotElected, "nobody has won it yet")
		_, _, err = c.Elect(t.Context(), "s", "r")
		require.Error(t, err)
		assert.NotErrorIs(t, err, ErrNotElected, "elect is not answered so")
		assert.NotErrorIs(t, err, ErrUndecided)
	})
}

func TestServerThatShutsDownIsNoReasonToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play, c := playing(t, 1, turn{503, `{"error":"shutting down","code":"shutting_down"}`, []header{result("shutting_down")}}, electing)
		won, _, err := c.Elect(t.Context(), "s", "r")
		require.NoError(t, err)
		assert.True(t, won)
		assert.Less(t, time.Since(play.began), time.Second)
	})
}

func TestClientWaitsLongerAndLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play, c := playing(t, 2, refusing)
		_, _, err := c.Elect(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
		assert.ErrorContains(t, err, "connection refused")
		elapsed := time.Since(play.began)
		assert.LessOrEqual(t, elapsed, defaultCallTimeout)
		assert.Greater(t, elapsed, defaultCallTimeout-maxBackoff)
		last := map[string]time.Duration{}
		for i, server := range play.asked {
			if before, again := last[server]; again {
				assert.GreaterOrEqual(t, play.at[i]-before, firstBackoff/2)
				assert.LessOrEqual(t, play.at[i]-before, maxBackoff)
			}
			if i > 20 {
				assert.GreaterOrEqual(t, play.at[i]-last[server], maxBackoff/2)
			}
			last[server] = play.at[i]
		}
		assert.Less(t, len(play.at), 60)
	})
}

func TestClientDoesNotWaitForWhatComesTooLate(t *testing.T) {
	for _, after := range []string{"30", "3600", "2147483647"} {
		synctest.Test(t, func(t *testing.T) {
			play, c := playing(t, 1, limiting(after))
			_, _, err := c.Elect(t.Context(), "s", "r")
			require.ErrorIs(t, err, ErrUndecided)
			var refused *RefusedError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, CodeRateLimited, refused.Code)
			assert.Len(t, play.asked, 1)
			assert.Zero(t, time.Since(play.began))
		})
	}
}

func TestHungServersEndWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		c := clientOf(t, ClientOptions{Servers: []string{"http://0", "http://1"}, HTTPClient: &http.Client{
			Transport: transport(func(req *http.Request) (*http.Response, error) {
				asked = append(asked, req.URL.Host)
				<-req.Context().Done()
				return nil, req.Context().Err()
			}),
		}})
		began := time.Now()
		_, _, err := c.Elect(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.LessOrEqual(t, time.Since(began), defaultCallTimeout)
		assert.Equal(t, []string{"0", "1", "0", "1"}, asked[:4])

		began = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Elected(ctx, "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
		assert.Equal(t, time.Second, time.Since(began), "the context's end is the call's")
	})
}

func TestEndOfTheTimeDoesNotHideWhatAServerHasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := clientOf(t, ClientOptions{Servers: []string{"http://0"}, Timeout: 5 * time.Second, HTTPClient: &http.Client{
			Transport: transport(func(req *http.Request) (*http.Response, error) {
				if n++; n == 1 {
					return responseOf(failing.status, failing.body, failing.headers...), nil
				}
				<-req.Context().Done()
				return nil, req.Context().Err()
			}),
		}})
		_, _, err := c.Elect(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, CodeUndecided, refused.Code)
	})
}

func TestFailureIsToldOnlyBeforeTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := playing(t, 2, failing, failing, forbidding)
		var told []string
		c.retrying = func(server string, err error) {
			require.Error(t, err)
			told = append(told, server)
		}
		_, _, err := c.Elect(t.Context(), "s", "r")
		require.Error(t, err)
		assert.Equal(t, []string{"http://0", "http://1"}, told)

		_, c = playing(t, 1, limiting("3600"))
		c.retrying = func(string, error) { t.Error("there is no next attempt") }
		_, _, err = c.Elect(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
	})
}

func TestCancelledContextEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play, c := playing(t, 1, limiting("20"))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("no more")) })
		_, _, err := c.Elect(ctx, "s", "r")
		require.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, ErrUndecided)
		assert.Equal(t, time.Second, time.Since(play.began))
		assert.Len(t, play.asked, 1)
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play, c := playing(t, 3, failing)
		c.attempts = 1
		_, _, err := c.Elect(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
		assert.Zero(t, time.Since(play.began))
		c.attempts = 4
		_, err = c.Completed(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
		assert.Len(t, play.asked, 5)
	})
}

func TestRefusalEndsTheCallAndTellsWhetherSomethingIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play, c := playing(t, 2, forbidding)
		_, _, err := c.Elect(t.Context(), "s", "r")
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, RefusedError{"http://0", 401, CodeUnauthorized, "a token is needed"}, *refused)
		assert.NotErrorIs(t, err, ErrUndecided, "nothing can have happened")
		assert.Len(t, play.asked, 1)

		_, c = playing(t, 2, failing, forbidding)
		_, _, err = c.Elect(t.Context(), "s", "r")
		require.ErrorAs(t, err, &refused)
		assert.ErrorIs(t, err, ErrUndecided, "the first request may have won")
	})
}

func TestForeignObjectIsNoReasonToAskAgain(t *testing.T) {
	h := handlerOf(t, &scripted{err: &RecordError{"k", errStorage}}, HandlerOptions{})
	server := httptest.NewServer(h)
	defer server.Close()
	_, err := clientOf(t, ClientOptions{Servers: []string{server.URL}}).Elected(t.Context(), "s", "r")
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, CodeBadRecord, refused.Code)
}

func TestNamesAreCheckedBeforeAnythingIsSent(t *testing.T) {
	c := clientOf(t, ClientOptions{Servers: []string{"http://localhost"}, HTTPClient: &http.Client{
		Transport: transport(func(*http.Request) (*http.Response, error) { panic("nothing is sent") }),
	}})
	for _, names := range [][2]string{{"", "r"}, {"s", ""}, {"..", "r"}, {"s", "../../x"}, {"s?x", "r"}, {"s", "r\r\nX: y"}} {
		_, _, err := c.Elect(t.Context(), names[0], names[1])
		var name *IdentifierError
		assert.ErrorAs(t, err, &name)
	}
}

func TestNamesThatAServerRefusesAreIdentifierErrors(t *testing.T) {
	for _, field := range []string{"round", "candidate ID"} {
		h := handlerOf(t, &scripted{err: &IdentifierError{field, "r", "cannot be kept here"}}, HandlerOptions{})
		server := httptest.NewServer(h)
		_, _, err := clientOf(t, ClientOptions{Servers: []string{server.URL}}).Elect(t.Context(), "s", "r")
		server.Close()
		var name *IdentifierError
		require.ErrorAs(t, err, &name)
		assert.Equal(t, field, name.Field)
		assert.Contains(t, name.Reason, "cannot be kept here")
	}
}

func TestBadClientOptionsAreNamedWithoutPasswords(t *testing.T) {
	fine := []string{"http://localhost:8080"}
	for want, options := range map[string]ClientOptions{
		"Servers is required": {},
		"number 2":            {Servers: []string{fine[0], "http://me:hunter2@host"}},
		"number 1":            {Servers: []string{"http://me:hunter2@host:port"}},
		"http://host:port":    {Servers: []string{"localhost:8080"}},
		"of the form":         {Servers: []string{"ftp://localhost"}},
		`"" is not`:           {Servers: []string{""}},
		"a query":             {Servers: []string{"http://localhost/?x=y"}},
		"a fragment":          {Servers: []string{"http://localhost/#"}},
		"ID":                  {Servers: fine, ID: "a\nb"},
		"Token":               {Servers: fine, Token: "hunter2\n"},
		"Timeout":             {Servers: fine, Timeout: -1},
		"RequestTimeout":      {Servers: fine, RequestTimeout: -1},
		"Attempts":            {Servers: fine, Attempts: -1},
	} {
		_, err := NewClient(options)
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "ClientOptions.")
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestClientLeavesTheHTTPClientOfItsUserAsItIs(t *testing.T) {
	given := &http.Client{}
	clientOf(t, ClientOptions{Servers: []string{"http://localhost"}, HTTPClient: given})
	assert.Nil(t, given.CheckRedirect)
}

// Neither a redirect nor anything else brings token or identity to another host.
func TestTokenStaysWithTheServer(t *testing.T) {
	var strayed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		c := clientOf(t, ClientOptions{Servers: []string{server.URL}, Token: "secret", Attempts: 1})
		_, _, err := c.Elect(t.Context(), "s", "r")
		require.ErrorIs(t, err, ErrUndecided)
		assert.ErrorContains(t, err, ResultHeader)
		server.Close()
	}
	assert.Zero(t, strayed.Load())
}

func FuzzClientNeverBelievesNonsense(f *testing.F) {
	f.Add(202, ResultElected, stateOfMe, "", "")
	f.Add(204, ResultNotElected, "", stateOfOther, "")
	f.Add(400, CodeNotElected, `{"error":"no","code":"not_elected","elected":null}`, "", "1")
	f.Add(200, "", "<html>", "", "99999999999")
	f.Fuzz(func(t *testing.T, status int, name, body, state, after string) {
		if status < 200 || status > 599 {
			return
		}
		c := clientOf(t, ClientOptions{Servers: []string{"http://localhost"}, ID: "me", Attempts: 1, HTTPClient: &http.Client{
			Transport: transport(func(req *http.Request) (*http.Response, error) {
				response := responseOf(status, body)
				response.Request = req
				response.Header = http.Header{ResultHeader: {name}, StateHeader: {state}, "Retry-After": {after}, "Location": {body}}
				return response, nil
			}),
		}})
		won, got, err := c.Elect(t.Context(), "s", "r")
		if err != nil {
			assert.False(t, won)
			assert.NotErrorIs(t, err, ErrNotElected)
			return
		}
		require.NotNil(t, got.Elected)
		assert.Equal(t, won, got.Elected.ID == "me")
		assert.Equal(t, won, status == 202)
		assert.Equal(t, !won, status == 204)
		assert.Equal(t, [2]string{"s", "r"}, [2]string{got.System, got.Round})
	})
}
