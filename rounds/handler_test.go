package rounds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// scripted answers what the test says, and remembers what it was asked.
type scripted struct {
	won   bool
	state State
	err   error

	asked []asking
}

type asking struct {
	operation, system, round string
	candidate                Candidate
}

func (s *scripted) Elect(_ context.Context, system, round string, c Candidate) (bool, State, error) {
	s.asked = append(s.asked, asking{"elect", system, round, c})
	return s.won, s.state, s.err
}

func (s *scripted) Elected(_ context.Context, system, round string) (State, error) {
	s.asked = append(s.asked, asking{"elected", system, round, Candidate{}})
	return s.state, s.err
}

func (s *scripted) Complete(_ context.Context, system, round string, c Candidate) (State, error) {
	s.asked = append(s.asked, asking{"complete", system, round, c})
	return s.state, s.err
}

func (s *scripted) Completed(_ context.Context, system, round string) (State, error) {
	s.asked = append(s.asked, asking{"completed", system, round, Candidate{}})
	return s.state, s.err
}

var _ elections = (*Rounds)(nil)

func mute() *slog.Logger { return slog.New(slog.DiscardHandler) }

// handlerOf is a handler on any elections, with what they have in common.
func handlerOf(t *testing.T, r elections, options HandlerOptions) http.Handler {
	t.Helper()
	if options.Logger == nil {
		options.Logger = mute()
	}
	h, err := newHandler(r, options)
	require.NoError(t, err)
	return h
}

// realHandler is a handler on rounds in memory.
func realHandler(t *testing.T) http.Handler {
	t.Helper()
	r, err := New(memory.New(), Options{})
	require.NoError(t, err)
	h, err := NewHandler(r, HandlerOptions{Logger: mute()})
	require.NoError(t, err)
	return h
}

// header is one line of a request's head.
type header [2]string

func ask(t *testing.T, h http.Handler, method, target, remote string, headers ...header) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	req.RemoteAddr = remote
	for _, line := range headers {
		req.Header.Add(line[0], line[1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	assertCommon(t, w)
	return w
}

// assertCommon asserts what holds for every answer.
func assertCommon(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	assert.NotEmpty(t, w.Header().Get(ResultHeader))
	assert.Empty(t, w.Header().Get("Location"))
	switch {
	case w.Code == http.StatusNoContent:
		assert.Zero(t, w.Body.Len(), "204 has no body")
		assert.Empty(t, w.Header().Get("Content-Type"))
	case w.Code >= 300:
		assert.Greater(t, w.Body.Len(), 1, "%d says why", w.Code)
		fallthrough
	default:
		assert.Contains(t, []string{"text/plain; charset=utf-8", "application/json"}, w.Header().Get("Content-Type"))
	}
}

const (
	remoteA = "192.0.2.1:1000"
	remoteB = "192.0.2.2:2000"
)

var acceptJSON = header{"Accept", "application/json"}

func TestTableHoldsToTheLetterWithoutIdentityAndAccept(t *testing.T) {
	for _, complete := range []string{http.MethodGet, http.MethodPost} {
		h := realHandler(t)
		for _, step := range []struct {
			method, operation, remote string
			status                    int
			body, result              string
		}{
			{"GET", "elected", remoteA, 204, "", "nobody"},
			{"GET", "completed", remoteA, 204, "", "nobody"},
			{"GET", "elect", remoteA, 202, "elected\n", "elected"},
			{"GET", "elect", remoteB, 204, "", "not_elected"},
			{"GET", "elect", remoteA, 204, "", "not_elected"}, // many programs share an address
			{"GET", "elected", remoteB, 200, "192.0.2.1", "known"},
			{"GET", "completed", remoteB, 204, "", "nobody"},
			{complete, "complete", remoteA, 200, "completed\n", "recorded"},
			{complete, "complete", remoteA, 200, "completed\n", "recorded"},
			{complete, "complete", remoteB, 400, "already completed by 192.0.2.1\n", "already_completed"},
			{"GET", "completed", remoteB, 200, "192.0.2.1", "known"},
			{"GET", "elected", remoteB, 200, "192.0.2.1", "known"},
			{"GET", "elect", remoteB, 204, "", "not_elected"},
		} {
			w := ask(t, h, step.method, "/api/v1/"+step.operation+"/billing/08:00", step.remote)
			about := step.method + " " + step.operation + " from " + step.remote
			require.Equal(t, step.status, w.Code, about)
			assert.Equal(t, step.body, w.Body.String(), about)
			assert.Equal(t, step.result, w.Header().Get(ResultHeader), about)
			assert.NotContains(t, w.Header(), StateHeader, "only with JSON")
			assert.Empty(t, w.Header().Get("Retry-After"), about)
		}
	}
}

func TestSameIdentityIsTold202AgainFromAnywhere(t *testing.T) {
	h := realHandler(t)
	a, b := header{"X-Candidate-Id", "a"}, header{"x-candidate-id", "b"}
	const elect, complete = "/api/v1/elect/s/r", "/api/v1/complete/s/r"

	assert.Equal(t, 202, ask(t, h, "GET", elect, remoteA, a).Code)
	assert.Equal(t, 202, ask(t, h, "GET", elect, remoteB, a).Code)
	assert.Equal(t, 202, ask(t, h, "GET", elect+"?candidate=a", remoteB).Code)
	assert.Equal(t, 204, ask(t, h, "GET", elect, remoteA, b).Code)
	assert.Equal(t, 204, ask(t, h, "GET", elect, remoteA).Code, "the address alone is not the identity")

	w := ask(t, h, "POST", complete, remoteA, b)
	assert.Equal(t, 400, w.Code)
	assert.Equal(t, "not elected: the round was won by a\n", w.Body.String())
	assert.Equal(t, CodeNotElected, w.Header().Get(ResultHeader))
	w = ask(t, h, "POST", complete, remoteA)
	assert.Equal(t, 400, w.Code, "who won with an identity completes with it")

	assert.Equal(t, 200, ask(t, h, "GET", complete+"?candidate=a", remoteB).Code)
	assert.Equal(t, 200, ask(t, h, "POST", complete, remoteA, a).Code)
	assert.Equal(t, "192.0.2.2", ask(t, h, "GET", "/api/v1/completed/s/r", remoteA).Body.String())
	assert.Equal(t, "192.0.2.1", ask(t, h, "GET", "/api/v1/elected/s/r", remoteA).Body.String())
}

func TestJSONTellsTheWholeState(t *testing.T) {
	h := realHandler(t)
	decode := func(data string) (state State, won bool) {
		var got struct {
			State
			Won bool
		}
		require.NoError(t, json.Unmarshal([]byte(data), &got), data)
		return got.State, got.Won
	}

	w := ask(t, h, "GET", "/api/v1/elected/s/r", remoteA, acceptJSON)
	assert.Equal(t, 204, w.Code)
	assert.JSONEq(t, `{"system":"s","round":"r","version":0}`, w.Header().Get(StateHeader))

	w = ask(t, h, "GET", "/api/v1/elect/s/r?candidate=a", remoteA, acceptJSON)
	assert.Equal(t, 202, w.Code)
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	state, won := decode(w.Body.String())
	assert.True(t, won)
	assert.EqualValues(t, 1, state.Version)
	assert.Equal(t, "a", state.Elected.ID)
	assert.Equal(t, "192.0.2.1", state.Elected.Address)
	assert.WithinDuration(t, time.Now(), state.Elected.At, time.Minute)
	assert.NotContains(t, w.Body.String(), "completed")

	w = ask(t, h, "GET", "/api/v1/elect/s/r?candidate=b", remoteA, acceptJSON)
	assert.Equal(t, 204, w.Code)
	lost, won := decode(w.Header().Get(StateHeader))
	assert.False(t, won)
	assert.Equal(t, state, lost, "a loser is told who has won")

	w = ask(t, h, "GET", "/api/v1/complete/s/r?candidate=b", remoteA, acceptJSON)
	assert.Equal(t, 400, w.Code)
	var why struct {
		Error, Code string
		Elected     *Event
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &why))
	assert.Equal(t, "not elected: the round was won by a", why.Error)
	assert.Equal(t, "not_elected", why.Code)
	assert.Equal(t, state.Elected, why.Elected)

	w = ask(t, h, "GET", "/api/v1/complete/s/r?candidate=a", remoteB, acceptJSON)
	assert.Equal(t, 200, w.Code)
	state, won = decode(w.Body.String())
	assert.False(t, won, "won is for elect alone")
	assert.EqualValues(t, 2, state.Version)
	assert.Equal(t, "192.0.2.2", state.Completed.Address)
	assert.NotContains(t, w.Body.String(), "won")

	for _, operation := range []string{"elected", "completed"} {
		w = ask(t, h, "GET", "/api/v1/"+operation+"/s/r", remoteB, acceptJSON)
		got, _ := decode(w.Body.String())
		assert.Equal(t, state, got)
	}
}

// What the storage says about itself must not reach whoever asks.
var errStorage = errors.New(`ask "http://10.1.2.3:9000/secret-bucket": connection refused`)

func TestWholeMatrixOfAnswers(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	a, b := &Event{ID: "a", Address: "192.0.2.1", At: at}, Event{Address: "192.0.2.9", At: at}
	undecidedErr := undecided(errors.Join(context.DeadlineExceeded, errStorage))
	identifier := &IdentifierError{"round", "r", "cannot be kept here"}
	address := &IdentifierError{"candidate address", "ä", "contains 'ä'"}
	for name, c := range map[string]struct {
		operations string
		script     scripted
		status     int
		text       string // what is in it
		code       string
		outcome    string
	}{
		"won":             {"elect", scripted{won: true, state: State{"s", "r", 1, a, nil}}, 202, "elected\n", "", ResultElected},
		"lost":            {"elect", scripted{state: State{"s", "r", 1, a, nil}}, 204, "", "", ResultNotElected},
		"known":           {"elected", scripted{state: State{"s", "r", 1, a, nil}}, 200, "192.0.2.1", "", ResultKnown},
		"without address": {"elected", scripted{state: State{"s", "r", 1, &Event{ID: "a"}, nil}}, 200, "a", "", ResultKnown},
		"nobody elected":  {"elected", scripted{state: State{"s", "r", 1, nil, &b}}, 204, "", "", ResultNobody},
		"recorded":        {"complete", scripted{state: State{"s", "r", 2, a, a}}, 200, "completed\n", "", ResultRecorded},
		"not elected":     {"complete", scripted{err: &NotElectedError{a}}, 400, "not elected: the round was won by a\n", CodeNotElected, ResultRefused},
		"nobody yet":      {"complete", scripted{err: &NotElectedError{}}, 400, "nobody has won the round yet", CodeNotElected, ResultRefused},
		"already":         {"complete", scripted{err: &AlreadyCompletedError{b}}, 400, "already completed by 192.0.2.9\n", CodeAlreadyCompleted, ResultRefused},
		"completer known": {"completed", scripted{state: State{"s", "r", 2, a, &b}}, 200, "192.0.2.9", "", ResultKnown},
		"not completed":   {"completed", scripted{state: State{"s", "r", 1, a, nil}}, 204, "", "", ResultNobody},
		"undecided":       {"elect elected complete completed", scripted{err: undecidedErr}, 500, "could not tell", CodeUndecided, ResultError},
		"storage error":   {"elect elected complete completed", scripted{err: errStorage}, 500, "could not tell", CodeUndecided, ResultError},
		"foreign object":  {"elect elected complete completed", scripted{err: &RecordError{"rounds/s/r.json", errStorage}}, 500, "could not tell", CodeBadRecord, ResultError},
		"bad key":         {"elect elected complete completed", scripted{err: identifier}, 400, `round "r" cannot be kept here`, CodeBadIdentifier, ResultBadRequest},
		"bad address":     {"elect complete", scripted{err: address}, 400, `candidate address "ä"`, CodeBadCandidate, ResultBadRequest},
	} {
		for operation := range strings.FieldsSeq(c.operations) {
			t.Run(name+" "+operation, func(t *testing.T) {
				var outcomes []Outcome
				script := c.script
				h := handlerOf(t, &script, HandlerOptions{Observe: func(o Outcome) { outcomes = append(outcomes, o) }})

				text := ask(t, h, "GET", "/api/v1/"+operation+"/s/r", remoteA)
				assert.Equal(t, c.status, text.Code)
				assert.Equal(t, firstOf(c.code, c.outcome), text.Header().Get(ResultHeader))
				if strings.HasSuffix(c.text, "\n") || c.status == 200 {
					assert.Equal(t, c.text, text.Body.String())
				} else {
					assert.Contains(t, text.Body.String(), c.text)
				}
				assert.NotContains(t, text.Body.String(), "10.1.2.3")

				inJSON := ask(t, h, "GET", "/api/v1/"+operation+"/s/r", remoteA, acceptJSON)
				assert.Equal(t, c.status, inJSON.Code, "no status depends on Accept")
				assert.Equal(t, text.Header().Get(ResultHeader), inJSON.Header().Get(ResultHeader))
				assert.Equal(t, text.Header().Get("Retry-After"), inJSON.Header().Get("Retry-After"))
				assert.NotContains(t, inJSON.Body.String(), "10.1.2.3")
				if c.code != "" {
					var why failure
					require.NoError(t, json.Unmarshal(inJSON.Body.Bytes(), &why))
					assert.Equal(t, c.code, why.Code)
					assert.Equal(t, strings.TrimSuffix(text.Body.String(), "\n"), why.Error)
				}

				if c.code == CodeUndecided {
					assert.Equal(t, "1", text.Header().Get("Retry-After"))
				} else {
					assert.Empty(t, text.Header().Get("Retry-After"), "asking again is of no use")
				}
				require.Len(t, outcomes, 2)
				assert.Equal(t, operation, outcomes[0].Operation)
				assert.Equal(t, c.outcome, outcomes[0].Result)
				assert.Equal(t, c.status, outcomes[0].Status)
				assert.ErrorIs(t, outcomes[0].Err, script.err)
				assert.Len(t, script.asked, 2)
				assert.Equal(t, operation, script.asked[0].operation)
			})
		}
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestAnonymousIsAdvisedToUseAnIdentityWhenNothingCouldBeTold(t *testing.T) {
	h := handlerOf(t, &scripted{err: undecided(errStorage)}, HandlerOptions{})
	assert.Contains(t, ask(t, h, "GET", "/api/v1/elect/s/r", remoteA).Body.String(), "X-Candidate-Id")
	assert.NotContains(t, ask(t, h, "GET", "/api/v1/elect/s/r?candidate=a", remoteA).Body.String(), "X-Candidate-Id")
	assert.NotContains(t, ask(t, h, "GET", "/api/v1/elected/s/r", remoteA).Body.String(), "X-Candidate-Id")
}

func TestNothingIsAskedWithAnotherMethod(t *testing.T) {
	allowed := map[string]string{"elect": "GET", "elected": "GET, HEAD", "complete": "GET, POST", "completed": "GET, HEAD"}
	for operation, allow := range allowed {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "X"} {
			script := &scripted{won: true, state: State{Elected: &Event{ID: "a"}, Completed: &Event{ID: "a"}}}
			var outcome Outcome
			h := handlerOf(t, script, HandlerOptions{Observe: func(o Outcome) { outcome = o }})
			w := httptest.NewRecorder()
			req := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/"+operation+"/s/r", http.NoBody)
			req.Method = method
			h.ServeHTTP(w, req)
			if strings.Contains(", "+allow+",", ", "+method+",") {
				assert.Less(t, w.Code, 300, "%s %s", method, operation)
				continue
			}
			assertCommon(t, w)
			assert.Equal(t, 405, w.Code, "%s %s", method, operation)
			assert.Equal(t, allow, w.Header().Get("Allow"))
			assert.Empty(t, script.asked, "%s %s", method, operation)
			assert.Equal(t, ResultBadRequest, outcome.Result)
			assert.Equal(t, operation, outcome.Operation)
		}
	}
}

func TestUncleanPathIsRefusedAndNeverRedirected(t *testing.T) {
	for path, want := range map[string]int{
		"/": 404, "/api": 404, "/api/v1": 404, "/api/v1/": 404, "/api/v1/elect": 404, "/api/v1/elect/": 404,
		"/api/v1/elect/s": 404, "/api/v1/elect/s/r/": 404, "/api/v1/elect/s/r/x": 404, "//api/v1/elect/s/r": 404,
		"/api//v1/elect/s/r": 404, "/api/v1//elect/s/r": 404, "/x/../api/v1/elect/s/r": 404, "/./api/v1/elect/s/r": 404,
		"/api/v1/../v1/elect/s/r": 404, "/API/v1/elect/s/r": 404, "/api/v1/Elect/s/r": 404, "/api/v1/%65lect/s/r": 404,
		"/api/v1/election/s/r": 404, "/api/v2/elect/s/r": 404, "/api/v1/elect%2Fs/r": 404, "/api%2Fv1/elect/s/r": 404,
		"/healthz": 404,

		"/api/v1/elect//r": 400, "/api/v1/elect/s/": 400, "/api/v1/elect//": 400,
		"/api/v1/elect/./r": 400, "/api/v1/elect/../r": 400, "/api/v1/elect/s/.": 400, "/api/v1/elect/s/..": 400,
		"/api/v1/elect/%2e/r": 400, "/api/v1/elect/%2E%2e/r": 400, "/api/v1/elect/.%2e/r": 400, "/api/v1/elect/s/...": 400,
		"/api/v1/elect/s%2Ft/r": 400, "/api/v1/elect/s/r%2fx": 400, "/api/v1/elect/..%2f..%2fetc/passwd": 400,
		"/api/v1/elect/s%5Ct/r": 400, "/api/v1/elect/s/r%252e": 400, "/api/v1/elect/s/r%00": 400,
		"/api/v1/elect/s/a%20b": 400, "/api/v1/elect/s/a%0d%0aX-Evil:%20yes": 400, "/api/v1/elect/s/%ff%fe": 400,
		"/api/v1/elect/s/%C3%A4": 400, "/api/v1/elect/s/r;x": 400, "/api/v1/elect/s/r*": 400, "/api/v1/elect/s/a%26b": 400,
		"/api/v1/elect/s/" + strings.Repeat("r", 129): 400, "/api/v1/elect/" + strings.Repeat("s", 100_000) + "/r": 400,
		"/api/v1/elect/s/" + strings.Repeat("%41", 129): 400,
	} {
		script := &scripted{won: true}
		h := handlerOf(t, script, HandlerOptions{})
		w := ask(t, h, "GET", path, remoteA)
		assert.Equal(t, want, w.Code, "%.60s", path)
		assert.Empty(t, script.asked, "%.60s", path)
		assert.Empty(t, w.Header().Get("X-Evil"))
		assert.Less(t, w.Body.Len(), 300, "%.60s", path)
		code := map[int]string{404: CodeNotFound, 400: CodeBadIdentifier}[want]
		assert.Equal(t, code, w.Header().Get(ResultHeader), "%.60s", path)
		assert.Equal(t, want, ask(t, h, "GET", path, remoteA, acceptJSON).Code)
	}
}

func TestPercentEncodingInAPathNamesTheSameRound(t *testing.T) {
	for path, want := range map[string][2]string{
		"/api/v1/elect/s/2026-11-21T08:00":                 {"s", "2026-11-21T08:00"},
		"/api/v1/elect/s/2026-11-21T08%3A00":               {"s", "2026-11-21T08:00"},
		"/api/v1/elect/s/2026-11-21T08:00+01:00":           {"s", "2026-11-21T08:00+01:00"}, // "+" is no space in a path
		"/api/v1/elect/s/2026-11-21T08%3a00%2B01%3A00":     {"s", "2026-11-21T08:00+01:00"},
		"/api/v1/elect/%73%79/r":                           {"sy", "r"},
		"/api/v1/elect/a.b_c@d=e,f~g/r-1":                  {"a.b_c@d=e,f~g", "r-1"},
		"/api/v1/elect/..a/r..":                            {"..a", "r.."},
		"/api/v1/elect/S/R?x=/../y":                        {"S", "R"},
		"/api/v1/elect/" + strings.Repeat("s", 128) + "/r": {strings.Repeat("s", 128), "r"},
	} {
		script := &scripted{won: true}
		w := ask(t, handlerOf(t, script, HandlerOptions{}), "GET", path, remoteA)
		assert.Equal(t, 202, w.Code, path)
		if assert.Len(t, script.asked, 1, path) {
			assert.Equal(t, want, [2]string{script.asked[0].system, script.asked[0].round})
		}
	}
}

func TestHandlerWorksBelowAPrefixAndInAMux(t *testing.T) {
	script := &scripted{won: true}
	h := handlerOf(t, script, HandlerOptions{})
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", h)
	mux.Handle("/jobs/", http.StripPrefix("/jobs", h))
	for _, path := range []string{"/api/v1/elect/s/a:b+c", "/jobs/api/v1/elect/s/a%3Ab%2Bc"} {
		assert.Equal(t, 202, ask(t, mux, "GET", path, remoteA).Code)
	}
	require.Len(t, script.asked, 2)
	assert.Equal(t, script.asked[0], script.asked[1])
	assert.Equal(t, 400, ask(t, mux, "GET", "/jobs/api/v1/elect/s%2F..%2F/b", remoteA).Code)

	for _, path := range []string{"/api/v1/elect//r", "/api/v1/elect/../elect/s/r"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, http.NoBody))
		assert.NotEqual(t, 2, w.Code/100, "a mux redirects, which elects nobody")
	}
	assert.Len(t, script.asked, 2)
}

func TestRequestWithoutAnAcceptedTokenAsksNothing(t *testing.T) {
	script := &scripted{won: true, state: State{Elected: &Event{ID: "a"}, Completed: &Event{ID: "a"}}}
	var outcome Outcome
	h := handlerOf(t, script, HandlerOptions{Tokens: []string{"old", "new"}, Observe: func(o Outcome) { outcome = o }})
	for _, o := range operations {
		path := "/api/v1/" + o.name + "/s/r"
		for _, headers := range [][]header{
			nil, {{"Authorization", "Bearer no"}}, {{"Authorization", "new"}}, {{"Authorization", "Bearer "}},
			{{"Authorization", "Bearer new"}, {"Authorization", "Bearer new"}},
		} {
			w := ask(t, h, "GET", path, remoteA, headers...)
			assert.Equal(t, 401, w.Code)
			assert.Contains(t, w.Header().Get("WWW-Authenticate"), "Bearer")
			assert.Equal(t, CodeUnauthorized, w.Header().Get(ResultHeader))
			assert.Equal(t, ResultUnauthorized, outcome.Result)
		}
		assert.Equal(t, 401, ask(t, h, "GET", path+"?access_token=new&token=new", remoteA).Code, "a token in a URL ends in logs")
		require.Empty(t, script.asked)
		for _, token := range []string{"old", "new"} {
			assert.Less(t, ask(t, h, "GET", path, remoteA, header{"Authorization", "Bearer " + token}).Code, 300)
		}
		script.asked = nil
	}
}

func TestRequestThatIsNotAuthorizedAsksNothing(t *testing.T) {
	script := &scripted{}
	allowed := false
	var outcome Outcome
	h := handlerOf(t, script, HandlerOptions{
		Tokens: []string{"token"},
		Authorize: func(req *http.Request) error {
			assert.Equal(t, "Bearer token", req.Header.Get("Authorization"), "tokens come first")
			if !allowed {
				return errors.New("come back tomorrow")
			}
			return nil
		},
		Observe: func(o Outcome) { outcome = o },
	})
	token := header{"Authorization", "Bearer token"}
	assert.Equal(t, 401, ask(t, h, "GET", "/api/v1/elected/s/1", remoteA).Code)
	w := ask(t, h, "GET", "/api/v1/elected/s/1", remoteA, token)
	assert.Equal(t, 401, w.Code)
	assert.Equal(t, "come back tomorrow\n", w.Body.String())
	assert.Equal(t, ResultUnauthorized, outcome.Result)
	assert.Empty(t, script.asked)
	allowed = true
	assert.Equal(t, 204, ask(t, h, "GET", "/api/v1/elected/s/1", remoteA, token).Code)
}

func TestPageOfAnotherSiteCannotElectThroughItsReaders(t *testing.T) {
	script := &scripted{won: true, state: State{Elected: &Event{ID: "a"}, Completed: &Event{ID: "a"}}}
	h := handlerOf(t, script, HandlerOptions{})
	for _, o := range operations {
		for site, refused := range map[string]bool{"cross-site": o.changes, "same-site": o.changes, "odd": o.changes, "same-origin": false, "none": false} {
			script.asked = nil
			w := ask(t, h, "GET", "/api/v1/"+o.name+"/s/r", remoteA, header{"Sec-Fetch-Site", site})
			assert.Equal(t, refused, w.Code == 403, "%s %s", o.name, site)
			assert.Equal(t, refused, len(script.asked) == 0)
		}
	}
}

func TestForwardedHeadersAreNotBelieved(t *testing.T) {
	script := &scripted{won: true}
	ask(t, handlerOf(t, script, HandlerOptions{}), "GET", "/api/v1/elect/s/r", remoteA, header{"X-Forwarded-For", "203.0.113.9"},
		header{"Forwarded", "for=203.0.113.9"}, header{"X-Real-Ip", "203.0.113.9"}, header{"True-Client-Ip", "203.0.113.9"})
	require.Len(t, script.asked, 1)
	assert.Equal(t, Candidate{Address: "192.0.2.1"}, script.asked[0].candidate)
}

// panicking panics in the midst of an election, as a storage could.
type panicking struct{ elections }

func (panicking) Elect(context.Context, string, string, Candidate) (bool, State, error) {
	panic("the storage is broken")
}

func TestPanicBelowIsAnsweredAndLoggedWithItsStack(t *testing.T) {
	var log bytes.Buffer
	var outcome Outcome
	h := handlerOf(t, panicking{}, HandlerOptions{
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(o Outcome) { outcome = o },
	})
	w := ask(t, h, "GET", "/api/v1/elect/s/r", remoteA)
	assert.Equal(t, 500, w.Code)
	assert.Equal(t, CodeUndecided, w.Header().Get(ResultHeader))
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.NotContains(t, w.Body.String(), "broken")
	assert.Contains(t, log.String(), "the storage is broken")
	assert.Contains(t, log.String(), "panicking")
	assert.Contains(t, log.String(), "handler_test.go")
	assert.Equal(t, ResultError, outcome.Result)
	assert.ErrorIs(t, outcome.Err, ErrUndecided)
}

func TestStorageErrorIsForTheLog(t *testing.T) {
	var log bytes.Buffer
	h := handlerOf(t, &scripted{err: undecided(errStorage)}, HandlerOptions{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	ask(t, h, "GET", "/api/v1/elect/s/r", remoteA)
	var line map[string]any
	require.NoError(t, json.Unmarshal(log.Bytes(), &line), "one line")
	assert.Contains(t, line["error"], "10.1.2.3")
	assert.Equal(t, "elect", line["operation"])
	assert.Equal(t, "WARN", line["level"])
}

// hanging waits for the end of its context.
type hanging struct {
	elections
	began chan struct{}
}

func (h *hanging) Elect(ctx context.Context, _, _ string, _ Candidate) (bool, State, error) {
	if h.began != nil {
		close(h.began)
	}
	<-ctx.Done()
	return false, State{}, undecided(ctx.Err())
}

func TestNothingOutlivesTheTimeout(t *testing.T) {
	h := handlerOf(t, &hanging{}, HandlerOptions{Timeout: time.Millisecond})
	w := ask(t, h, "GET", "/api/v1/elect/s/r", remoteA)
	assert.Equal(t, 500, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
}

func TestRequestEndsWithItsClientAndIsNoWarning(t *testing.T) {
	var log bytes.Buffer
	var outcome Outcome
	slow := &hanging{began: make(chan struct{})}
	h := handlerOf(t, slow, HandlerOptions{
		Timeout: time.Hour,
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(o Outcome) { outcome = o },
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-slow.began
		cancel()
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/api/v1/elect/s/r", http.NoBody))
	assert.Empty(t, log.String())
	assert.Equal(t, ResultError, outcome.Result)
	assert.ErrorIs(t, outcome.Err, context.Canceled)
}

func TestObserverIsToldOfOperationsAlone(t *testing.T) {
	var outcomes []Outcome
	h := handlerOf(t, &scripted{}, HandlerOptions{Observe: func(o Outcome) { outcomes = append(outcomes, o) }})
	ask(t, h, "GET", "/favicon.ico", remoteA)
	assert.Empty(t, outcomes, "strangers must not make up names of operations")
	ask(t, h, "GET", "/api/v1/elect/s/r%20", remoteA)
	ask(t, h, "GET", "/api/v1/elect/s/r?candidate=", remoteA)
	require.Len(t, outcomes, 2)
	for _, o := range outcomes {
		assert.Equal(t, ResultBadRequest, o.Result)
		assert.Positive(t, o.Duration)
		assert.Error(t, o.Err)
	}
}

func TestBadOptionsAreNamed(t *testing.T) {
	for want, options := range map[string]HandlerOptions{
		"Tokens":        {Tokens: []string{""}},
		"Timeout":       {Timeout: -1},
		"RateLimit -1":  {RateLimit: -1},
		"RateLimit NaN": {RateLimit: math.NaN()},
		"RateLimit +In": {RateLimit: math.Inf(1)},
		"Burst -1":      {RateLimit: 1, Burst: -1},
		"Burst 5":       {Burst: 5},
	} {
		_, err := NewHandler(&Rounds{}, options)
		assert.ErrorContains(t, err, "HandlerOptions."+want)
	}
	_, err := NewHandler(nil, HandlerOptions{})
	assert.ErrorContains(t, err, "nil")
}

func TestBodyThatNobodyNeedsIsReadUpToItsLimit(t *testing.T) {
	for size, want := range map[int]int{0: 200, 1: 200, maxBody: 200, maxBody + 1: 413, 1 << 20: 413} {
		for _, chunked := range []bool{false, true} {
			script := &scripted{}
			h := handlerOf(t, script, HandlerOptions{})
			req := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/complete/s/r", bytes.NewReader(make([]byte, size)))
			if chunked {
				req.ContentLength = -1
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			assertCommon(t, w)
			assert.Equal(t, want, w.Code, "%d bytes, chunked %v", size, chunked)
			assert.Equal(t, want == 200, len(script.asked) == 1)
		}
	}
}

func TestBodyThatBreaksOffRecordsNothing(t *testing.T) {
	script := &scripted{}
	body := io.MultiReader(strings.NewReader("x"), errorReader{io.ErrUnexpectedEOF})
	req := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/complete/s/r", body)
	w := httptest.NewRecorder()
	handlerOf(t, script, HandlerOptions{}).ServeHTTP(w, req)
	assert.Equal(t, 400, w.Code)
	assert.Equal(t, CodeBadBody, w.Header().Get(ResultHeader))
	assert.Empty(t, script.asked)
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
