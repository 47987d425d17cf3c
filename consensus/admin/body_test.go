package admin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

func TestRequestsReachTheNodeAsTheyAreMeant(t *testing.T) {
	for _, c := range []struct {
		path, body string
		want       []any
	}{
		{"/leadership/transfer", `{"node":"n2"}`, []any{"transfer to n2"}},
		{"/leadership/transfer", `{}`, []any{"transfer to "}},
		{"/leadership/transfer", ``, []any{"transfer to "}},
		{"/leadership/stepdown", ``, []any{"step down"}},
		{"/leadership/stepdown", " {\n} ", []any{"step down"}},
		{"/snapshot", ``, []any{"snapshot"}},
		{"/nodes/add", `{"id":"n3","address":"host","port":1}`, []any{consensus.PeerConfig{ID: "n3", Address: "host", Port: 1}}},
		{"/nodes/add", `{"port":65535,"address":"::1","nonVoter":true,"id":"n3"}`, []any{consensus.PeerConfig{ID: "n3", Address: "::1", Port: 65535, NonVoter: true}}},
		{"/nodes/add", `{"id":"n3","address":"host","port":1,"nonVoter":false}`, []any{consensus.PeerConfig{ID: "n3", Address: "host", Port: 1}}},
		{"/nodes/remove", `{"id":"n2"}`, []any{"remove n2"}},
		{"/apply", `{"type":"set"}`, []any{consensus.Command{Type: "set"}}},
		{"/apply", `{"type":"set","data":null}`, []any{consensus.Command{Type: "set", Data: []byte("null")}}},
		{"/apply", `{"type":"set","data": {"b": 1.0,  "a":"<é>"} ,"term":7}`, []any{consensus.Command{Type: "set", Data: []byte(`{"b": 1.0,  "a":"<é>"}`), Term: 7}}},
		{"/apply", `{"type":"set","dataBase64":"AP8="}`, []any{consensus.Command{Type: "set", Data: []byte{0, 255}}}},
		{"/apply", `{"type":"set","dataBase64":""}`, []any{consensus.Command{Type: "set", Data: []byte{}}}},
		{"/apply", `{"type":"set","term":18446744073709551615}`, []any{consensus.Command{Type: "set", Term: 1<<64 - 1}}},
	} {
		f := newFake()
		w := ask(t, handlerOf(t, f, Options{}), http.MethodPost, c.path, c.body)
		assert.Equal(t, http.StatusOK, w.Code, "%s %s: %s", c.path, c.body, w.Body)
		assert.Equal(t, c.want, f.asked, "%s %s", c.path, c.body)
	}
}

func TestRequestsThatMakeNoSenseAreRefusedWithTheReason(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{})
	for _, c := range []struct{ path, body, want string }{
		{"/leadership/transfer", `{"nodes":"n2"}`, `there is no field "nodes" here, but node`},
		{"/leadership/transfer", `{"Node":"n2"}`, `there is no field "Node"`},
		{"/leadership/transfer", `{"node":"n2","node":"n3"}`, `field "node" is there twice`},
		{"/leadership/transfer", `{"node":2}`, `field "node" must be a string, not a number`},
		{"/leadership/stepdown", `{"now":true}`, `there is no field "now" here, but none at all`},
		{"/snapshot", `[]`, `not a JSON object`},
		{"/snapshot", `null`, `not a JSON object`},
		{"/snapshot", `"x"`, `not a JSON object`},
		{"/snapshot", ` `, `ends in the midst`},
		{"/snapshot", `{} {}`, `something behind`},
		{"/snapshot", `{}x`, `something behind`},
		{"/snapshot", `{},`, `something behind`},
		{"/snapshot", `{`, `ends in the midst`},
		{"/snapshot", `{"a`, `ends in the midst`},
		{"/snapshot", `x`, `not JSON`},
		{"/snapshot", `{1:2}`, `not JSON`},
		{"/snapshot", `{"a" "b"}`, `no field "a"`},
		{"/leadership/transfer", `{"node" "b"}`, `not JSON`},
		{"/leadership/transfer", `{"node":}`, `not JSON`},
		{"/leadership/transfer", `{"node":"b",}`, `not JSON`},
		{"/leadership/transfer", `{"node":"b"`, `ends in the midst`},
		{"/leadership/transfer", "{\"node\":\"\xff\"}", `not UTF-8`},
		{"/nodes/add", `{}`, `"id" is missing`},
		{"/nodes/add", `{"id":"n3"}`, `"address" is missing`},
		{"/nodes/add", `{"id":"n3","address":"h"}`, `"port" 0 must be from 1 to 65535`},
		{"/nodes/add", `{"id":"n3","address":"h","port":65536}`, `"port" 65536`},
		{"/nodes/add", `{"id":"n3","address":"h","port":-1}`, `"port" -1`},
		{"/nodes/add", `{"id":"n3","address":"h","port":"7000"}`, `field "port" must be a whole number, not a string`},
		{"/nodes/add", `{"id":"n3","address":"h","port":1.5}`, `field "port" must be a whole number, not a number 1.5`},
		{"/nodes/add", `{"id":"n3","address":"h","port":1,"nonVoter":"yes"}`, `field "nonVoter" must be true or false`},
		{"/nodes/add", `{"id":"n3","address":"h","port":1,"voter":true}`, `there is no field "voter" here, but id, address, port, nonVoter`},
		{"/nodes/remove", ``, `"id" is missing`},
		{"/nodes/remove", `{"id":null}`, `"id" is missing`},
		{"/apply", ``, `"type" is missing`},
		{"/apply", `{"type":""}`, `"type" is missing`},
		{"/apply", `{"type":"set","data":1,"dataBase64":"AA=="}`, `either "data" or "dataBase64"`},
		{"/apply", `{"type":"set","dataBase64":"A"}`, `"dataBase64" is not base64`},
		{"/apply", `{"type":"set","dataBase64":"-_=="}`, `"dataBase64" is not base64`},
		{"/apply", `{"type":"set","dataBase64":7}`, `field "dataBase64" must be a string`},
		{"/apply", `{"type":"set","term":-1}`, `field "term" must be a whole number from 0 on, not a number -1`},
		{"/apply", `{"type":"set","term":1e3}`, `field "term" must be a whole number`},
		{"/apply", `{"type":"set","data":{"a":}}`, `not JSON`},
		{"/read", `{}`, `"query" is missing`},
		{"/read", `{"query":1,"stale":1}`, `field "stale" must be true or false, not a number`},
	} {
		w := ask(t, h, http.MethodPost, c.path, c.body, header{"Content-Type", "application/json"})
		assert.Equal(t, http.StatusBadRequest, w.Code, "%s %s", c.path, c.body)
		failure := failureOf(t, w)
		assert.Equal(t, CodeBadRequest, failure.Code)
		assert.Contains(t, failure.Text, c.want, "%s %s", c.path, c.body)
	}
	assert.Empty(t, f.asked, "nothing has been done")
}

func TestBodiesMustBeJSON(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{})
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=latin1", "application/jsonx", "application/json, text/plain", ";"} {
		for path, body := range bodies {
			w := ask(t, h, http.MethodPost, path, body, header{"Content-Type", kind})
			assert.Equal(t, http.StatusUnsupportedMediaType, w.Code, "%s %q", path, kind)
			assert.Equal(t, CodeUnsupportedMediaType, failureOf(t, w).Code)
			assert.Equal(t, "application/json", w.Header().Get("Accept"))
		}
	}
	assert.Equal(t, http.StatusUnsupportedMediaType, ask(t, h, http.MethodPost, "/snapshot", "", header{"Content-Type", "text/plain"}).Code)
	twice := requestOf(t, http.MethodPost, "/snapshot", "{}")
	twice.Header["Content-Type"] = []string{jsonType, jsonType}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, twice)
	assert.Equal(t, http.StatusUnsupportedMediaType, w.Code)
	require.Empty(t, f.asked)
	for _, kind := range []string{"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=UTF-8"} {
		assert.Equal(t, http.StatusOK, ask(t, h, http.MethodPost, "/snapshot", "{}", header{"Content-Type", kind}).Code, kind)
	}
	assert.Equal(t, http.StatusOK, ask(t, h, http.MethodPost, "/snapshot", "").Code, "an empty body needs no type")
}

// serverOf serves over real connections.
func serverOf(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// talk sends bytes as they are and reads one answer.
func talk(t *testing.T, server *httptest.Server, sent string) (status int, body string, conn net.Conn) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, sent)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(read), conn
}

const head = " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"

func TestBodiesAreLimited(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{MaxBody: 100})
	fits := `{"type":"set","data":"` + strings.Repeat("x", 100-24) + `"}`
	require.Len(t, fits, 100)
	assert.Equal(t, http.StatusOK, ask(t, h, http.MethodPost, "/apply", fits).Code)
	w := ask(t, h, http.MethodPost, "/apply", fits+" ")
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Equal(t, CodeBodyTooLarge, failureOf(t, w).Code)
	assert.Contains(t, w.Body.String(), "100 bytes")
	require.Len(t, f.asked, 1)

	status, body, _ := talk(t, serverOf(t, h), "POST /apply"+head+"Transfer-Encoding: chunked\r\n\r\n"+fmt.Sprintf("%x\r\n%s\r\n", 101, fits+" "))
	assert.Equal(t, http.StatusRequestEntityTooLarge, status, "the end is not waited for: %s", body)
	server := serverOf(t, handlerOf(t, f, Options{MaxBody: 100, Timeout: 100 * time.Millisecond}))
	for _, sent := range []string{
		"Content-Length: 101\r\n\r\n", // nothing of it has to arrive
		"Content-Length: 101\r\nExpect: 100-continue\r\n\r\n",
	} {
		status, body, conn := talk(t, server, "POST /apply"+head+sent)
		assert.Equal(t, http.StatusRequestEntityTooLarge, status, "%s: %s", sent, body)
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF, "the connection is closed")
	}
}

func TestDefaultLimitTakesTheLargestCommandInBase64(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{})
	body := `{"type":"set","dataBase64":"` + strings.Repeat("AAAA", 1<<20/3) + `AA=="}`
	assert.Equal(t, http.StatusOK, ask(t, h, http.MethodPost, "/apply", body).Code)
	command, ok := f.asked[0].(consensus.Command)
	require.True(t, ok)
	assert.Len(t, command.Data, 1<<20)
}

func TestBodiesThatDoNotArriveAreCutOff(t *testing.T) {
	f := newFake()
	server := serverOf(t, handlerOf(t, f, Options{Timeout: 50 * time.Millisecond}))
	for _, sent := range []string{"Content-Length: 50\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"} {
		status, body, _ := talk(t, server, "POST /apply"+head+sent)
		assert.Equal(t, http.StatusRequestTimeout, status)
		assert.Contains(t, body, CodeSlowBody)
	}
	assert.Empty(t, f.asked)
}

func TestBodiesOfRefusedRequestsAreNotWaitedForLong(t *testing.T) {
	server := serverOf(t, handlerOf(t, newFake(), Options{Timeout: 50 * time.Millisecond}))
	for want, request := range map[int]string{
		http.StatusUnauthorized:     "POST /apply HTTP/1.1\r\nHost: x\r\n",
		http.StatusNotFound:         "POST /apply/x HTTP/1.1\r\nHost: x\r\n",
		http.StatusMethodNotAllowed: "POST /status HTTP/1.1\r\nHost: x\r\n",
	} {
		status, _, conn := talk(t, server, request+"Content-Length: 50\r\n\r\n{")
		assert.Equal(t, want, status)
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF, "the connection is closed")
	}
}

func TestAConnectionOutlivesTheTimeoutOfARequest(t *testing.T) {
	f := newFake()
	server := serverOf(t, handlerOf(t, f, Options{Timeout: time.Second}))
	for range 2 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/snapshot", strings.NewReader("{}"))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", jsonType)
		answer, err := server.Client().Do(request)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		assert.False(t, answer.Close)
	}
}
