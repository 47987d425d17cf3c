package rounds

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdentityIsGivenInOneWay(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		headers []string
		query   string
		want    string // the ID, or what the refusal says
		ok      bool
	}{
		"none":                    {nil, "", "", true},
		"other parameters":        {nil, "?id=a&Candidate=b&candidates=c", "", true},
		"header":                  {[]string{"host-a"}, "", "host-a", true},
		"parameter":               {nil, "?candidate=host-a", "host-a", true},
		"both, the same":          {[]string{"a"}, "?candidate=a", "a", true},
		"both, encoded":           {[]string{"a b"}, "?candidate=a%20b", "a b", true},
		"plus in a query":         {nil, "?candidate=a+b", "a b", true}, // as everywhere in queries
		"encoded plus in a query": {nil, "?candidate=a%2Bb", "a+b", true},
		"plus in the header":      {[]string{"a+b"}, "", "a+b", true},
		"header is not decoded":   {[]string{"a%20b"}, "", "a%20b", true},
		"longest":                 {[]string{long}, "", long, true},
		"punctuation":             {nil, "?candidate=" + url.QueryEscape(`a/b?c#d"e\f<g>`), `a/b?c#d"e\f<g>`, true},

		"both, different":    {[]string{"a"}, "?candidate=b", "different", false},
		"plus against plus":  {[]string{"a+b"}, "?candidate=a+b", "different", false},
		"empty header":       {[]string{""}, "", "empty", false},
		"empty parameter":    {nil, "?candidate=", "empty", false},
		"bare parameter":     {nil, "?candidate", "empty", false},
		"header against ''":  {[]string{"a"}, "?candidate=", "different", false},
		"header twice":       {[]string{"a", "a"}, "", "twice", false},
		"parameter twice":    {nil, "?candidate=a&candidate=a", "twice", false},
		"twice, and another": {[]string{"a", "b"}, "?candidate=a", "twice", false},
		"too long":           {[]string{long + "x"}, "", "257 bytes", false},
		"not ASCII":          {nil, "?candidate=%C3%A4", "contains", false},
		"not UTF-8":          {nil, "?candidate=%ff%fe", "contains", false},
		"header not UTF-8":   {[]string{"\xff\xfe"}, "", "contains", false},
		"line break":         {nil, "?candidate=a%0d%0aX-Evil:+yes", "contains", false},
		"NUL":                {nil, "?candidate=a%00", "contains", false},
		"space at the end":   {nil, "?candidate=a+", "space", false},
		"bad escape":         {nil, "?candidate=%zz", "query", false},
		"bad escape before":  {nil, "?x=%zz&candidate=a", "query", false},
		"semicolon":          {nil, "?candidate=a;b", "query", false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, operation := range []string{"elect", "complete"} {
				script := &scripted{won: true}
				req := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/"+operation+"/s/r", http.NoBody)
				req.URL.RawQuery = strings.TrimPrefix(c.query, "?")
				req.RemoteAddr = remoteA
				if c.headers != nil {
					req.Header["X-Candidate-Id"] = c.headers
				}
				w := httptest.NewRecorder()
				handlerOf(t, script, HandlerOptions{}).ServeHTTP(w, req)
				assertCommon(t, w)
				assert.Equal(t, c.ok, w.Code < 300, w.Body)
				if c.ok {
					require.Len(t, script.asked, 1)
					assert.Equal(t, Candidate{ID: c.want, Address: "192.0.2.1"}, script.asked[0].candidate)
					continue
				}
				assert.Equal(t, 400, w.Code)
				assert.Equal(t, CodeBadCandidate, w.Header().Get(ResultHeader))
				assert.Contains(t, w.Body.String(), c.want)
				assert.Equal(t, 1, strings.Count(w.Body.String(), "\n"), "no line can be made up")
				assert.Empty(t, script.asked)
			}
		})
	}
}

func TestRequesterIsKnownByItsHost(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1234":            "192.0.2.1",
		"[2001:db8::1]:1234":        "2001:db8::1",
		"[2001:DB8:0::1]:1234":      "2001:db8::1",
		"[fe80::1%eth0]:1234":       "fe80::1%eth0",
		"[::ffff:192.0.2.1]:1234":   "192.0.2.1",
		"192.0.2.1":                 "192.0.2.1", // as a middleware may leave it
		"2001:db8::1":               "2001:db8::1",
		"":                          "unix",
		"@":                         "unix",
		"@abstract":                 "unix",
		"/run/client.sock":          "unix",
		"pipe":                      "pipe",
		"host.example:80":           "host.example",
		":80":                       "unix",
		"[fe80::1%25odd zone]:1234": "fe80::1%25odd zone",
	} {
		assert.Equal(t, want, addressOf(remote), "%q", remote)
	}
}

func TestAddressThatCannotBeKeptIsRefused(t *testing.T) {
	w := ask(t, realHandler(t), "GET", "/api/v1/elect/s/r", "evil\r\nX-Evil: yes")
	assert.Equal(t, 400, w.Code)
	assert.Equal(t, CodeBadCandidate, w.Header().Get(ResultHeader))
}

// Whatever is sent, an identity and names that reach the rounds are ones that may be kept, and are
// what was sent, decoded once.
func FuzzRequest(f *testing.F) {
	f.Add("/api/v1/elect/s/r", "candidate=a", "", false)
	f.Add("/api/v1/complete/a%2F..%2fb/%2e%2e", "candidate=a+b&candidate=", "x", true)
	f.Add("/api/v1/elect//../r", "candidate=%zz;", "a\r\nb", true)
	f.Add("/api/v1/elect/08:00+01/%3A%2B", "", "ä", true)
	f.Fuzz(func(t *testing.T, path, query, id string, hasID bool) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		u.RawQuery = query
		req := httptest.NewRequestWithContext(t.Context(), "GET", "/", http.NoBody)
		req.URL, req.RemoteAddr = u, remoteA
		if hasID {
			req.Header["X-Candidate-Id"] = []string{id}
		}
		script := &scripted{won: true, state: State{Elected: &Event{ID: "a"}, Completed: &Event{ID: "a"}}}
		w := httptest.NewRecorder()
		handlerOf(t, script, HandlerOptions{}).ServeHTTP(w, req)
		assertCommon(t, w)
		assert.Equal(t, len(script.asked) == 1, w.Code < 300, "%d", w.Code)
		assert.Contains(t, []int{200, 202, 400, 404}, w.Code)
		for _, asked := range script.asked {
			require.NoError(t, checkIdentifier("system", asked.system))
			require.NoError(t, checkIdentifier("round", asked.round))
			parts := strings.Split(u.EscapedPath(), "/")
			require.Len(t, parts, 6)
			for i, name := range map[int]string{4: asked.system, 5: asked.round} {
				decoded, err := url.PathUnescape(parts[i])
				require.NoError(t, err)
				assert.Equal(t, decoded, name)
			}
			if asked.operation == "elected" || asked.operation == "completed" {
				continue
			}
			require.NoError(t, asked.candidate.check())
			values, err := url.ParseQuery(query)
			require.NoError(t, err)
			if hasID {
				assert.Equal(t, id, asked.candidate.ID)
			}
			if given, named := values["candidate"]; named {
				assert.Equal(t, []string{asked.candidate.ID}, given)
			}
			assert.Equal(t, hasID || values.Has("candidate"), asked.candidate.ID != "")
		}
	})
}
