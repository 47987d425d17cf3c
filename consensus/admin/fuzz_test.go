package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzRequests holds that whatever comes is answered as described, and that what is handed to the node is what was sent.
func FuzzRequests(f *testing.F) {
	for path, body := range bodies {
		f.Add(path, jsonType, []byte(body))
	}
	for _, body := range []string{"", "{}", "null", `{"type":"a","dataBase64":"AA=="}`, `{"type":"a","data":[1,{"b":null}],"term":1}`, `{"node":"a","node":"b"}`, `{"query":"\ud800"}`} {
		f.Add("/apply", jsonType, []byte(body))
		f.Add("/read?x", "text/plain", []byte(body))
	}
	f.Fuzz(func(t *testing.T, path, contentType string, body []byte) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if req.URL, err = req.URL.Parse(path); err != nil {
			return
		}
		req.Header["Content-Type"] = []string{contentType}
		n := newFake()
		w := httptest.NewRecorder()
		handlerOf(t, n, Options{Insecure: true, MaxBody: 1000}).ServeHTTP(w, req)
		switch {
		case w.Code == http.StatusOK && len(body) > 0 && !json.Valid(body):
			t.Errorf("%s was accepted though it is not JSON: %q", path, body)
		case w.Code != http.StatusOK && len(n.asked) > 0:
			t.Errorf("%s was refused with %d and done", path, w.Code)
		case !json.Valid(w.Body.Bytes()):
			t.Errorf("%s was answered with %q", path, w.Body)
		}
		if w.Code != http.StatusOK {
			if failure := failureOf(t, w); failure.Code == CodeInternal {
				t.Errorf("%s %q: %s", path, body, failure.Text)
			}
		}
	})
}
