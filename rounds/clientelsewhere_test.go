package rounds_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func TestAClientAsksTheNextServerWhereOneIsAwayForLong(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600") // of a proxy in front of a server under maintenance
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer away.Close()
	handler, err := rounds.NewHandler(newRounds(t, memory.New()), rounds.HandlerOptions{})
	require.NoError(t, err)
	there := httptest.NewServer(handler)
	defer there.Close()
	client, err := rounds.NewClient(rounds.ClientOptions{Servers: []string{away.URL, there.URL}, ID: "ann"})
	require.NoError(t, err)
	won, _, err := client.Elect(t.Context(), "billing", "1")
	require.NoError(t, err, "the other server answers")
	assert.True(t, won)
}
