package s3lect

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// put puts a question to the endpoint of an elector, with or without a verified client certificate.
func put(t *testing.T, e *S3Elector, verified bool, query url.Values) (int, Announcement) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, DefaultPeerHealthPath+"?"+query.Encode(), nil)
	if verified {
		req.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	}
	answer := httptest.NewRecorder()
	NewLeadershipHandler(e, quiet())(answer, req)
	var a Announcement
	if answer.Code == http.StatusOK {
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &a))
	}
	return answer.Code, a
}

func TestHeartbeatsAndFarewellsCountOnALeaderAndWithAVerifiedCertificateOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		leader := startElector(t, s, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		follower := startElector(t, s, "f")
		time.Sleep(time.Second)
		beat := url.Values{"observer": {"b"}, "metadata": {`{"zone":"eu"}`}}
		leave := url.Values{"observer": {"b"}, "leaving": {"1"}}

		_, a := put(t, leader, false, beat)
		assert.False(t, a.Observed)
		assert.Contains(t, a.ObserverError, "client certificate")
		assert.Empty(t, active(t, leader))

		_, a = put(t, leader, true, beat)
		assert.True(t, a.Observed)
		assert.Empty(t, a.ObserverError)
		assert.Equal(t, 2, a.ActiveObservers)
		assert.Equal(t, []string{"b"}, active(t, leader))

		_, a = put(t, leader, false, leave)
		assert.False(t, a.Observed)
		assert.Equal(t, []string{"b"}, active(t, leader), "anybody could say that")
		put(t, leader, true, leave)
		assert.Empty(t, active(t, leader))

		code, _ := put(t, follower, true, beat)
		assert.Equal(t, http.StatusNotFound, code)
		assert.Empty(t, follower.attendance().Members())
		stopAll(t, []*S3Elector{leader, follower})
	})
}

func TestHeartbeatThatCannotBeCountedIsAnsweredWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leader := startElector(t, newMemStorage(), "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		for reason, query := range map[string]url.Values{
			"not a JSON object of strings": {"observer": {"b"}, "metadata": {"zone=eu"}},
			"at most 1024 are allowed":     {"observer": {"b"}, "metadata": {`{"w":"` + strings.Repeat("w", 2000) + `"}`}},
			"UTF-8":                        {"observer": {"\xff"}},
			"observer is 2000 bytes long":  {"observer": {strings.Repeat("b", 2000)}},
		} {
			code, a := put(t, leader, true, query)
			assert.Equal(t, http.StatusOK, code, "it is a question all the same")
			assert.False(t, a.Observed)
			assert.Contains(t, a.ObserverError, reason)
		}
		assert.Empty(t, active(t, leader))
		_, a := put(t, leader, true, url.Values{})
		assert.False(t, a.Observed)
		assert.Empty(t, a.ObserverError)
		require.NoError(t, leader.Stop())
	})
}
