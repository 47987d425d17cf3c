package rounds_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// BenchmarkRound is what a round costs without HTTP and a network: who wins it also completes it.
func BenchmarkRound(b *testing.B) {
	r, err := rounds.New(memory.New(), rounds.Options{})
	require.NoError(b, err)
	b.Run("elect and complete", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			round := fmt.Sprint(b.N, "-", n)
			if won, _, err := r.Elect(b.Context(), "billing", round, ann); err != nil || !won {
				b.Fatal(won, err)
			}
			if _, err := r.Complete(b.Context(), "billing", round, ann); err != nil {
				b.Fatal(err)
			}
		}
	})
	_, _, err = r.Elect(b.Context(), "billing", "1", ann)
	require.NoError(b, err)
	b.Run("elected", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if state, err := r.Elected(b.Context(), "billing", "1"); err != nil || state.Elected == nil {
				b.Fatal(state, err)
			}
		}
	})
}

// BenchmarkHandler is what the handler adds to that, without a connection.
func BenchmarkHandler(b *testing.B) {
	r, err := rounds.New(memory.New(), rounds.Options{})
	require.NoError(b, err)
	h, err := rounds.NewHandler(r, rounds.HandlerOptions{})
	require.NoError(b, err)
	ask := func(b *testing.B, path, id string, status int) {
		b.Helper()
		request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/v1/"+path, http.NoBody)
		request.Header.Set("X-Candidate-Id", id)
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		if answer.Code != status {
			b.Fatal(answer.Code, answer.Body)
		}
	}
	b.Run("winner", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			ask(b, fmt.Sprintf("elect/billing/%d-%d", b.N, n), "a", http.StatusAccepted)
		}
	})
	ask(b, "elect/billing/1", "a", http.StatusAccepted)
	b.Run("loser", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(b, "elect/billing/1", "b", http.StatusNoContent)
		}
	})
	b.Run("elected", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(b, "elected/billing/1", "b", http.StatusOK)
		}
	})
	b.Run("without a handler", func(b *testing.B) { // what the test itself takes
		b.ReportAllocs()
		for b.Loop() {
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/v1/elect/billing/1", http.NoBody)
			request.Header.Set("X-Candidate-Id", "b")
			httptest.NewRecorder().WriteHeader(http.StatusNoContent)
		}
	})
}
