package sim

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// pair is a world with two processes that do nothing by themselves; the first asks the second.
type pair struct {
	*testing.T
	w        *world
	from, to *process
}

// inPair runs a test on a pair. The endpoint answers with handle.
func inPair(t *testing.T, handle http.HandlerFunc, do func(pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := calmProfile(2)
		p.faults = []fault{mixedPeers}
		w := newWorld(1, p, func(s3lect.S3ElectorOptions) (Candidate, error) { return &toy{}, nil }, nil, slog.LevelError)
		w.monitor.only = []string{HotLoop}
		for node := range 2 {
			w.startNode(node, calmConfig(node, time.Minute))
		}
		s := pair{t, w, w.process(0), w.process(1)}
		s.to.handler = handle
		do(s)
		require.Empty(t, w.monitor.violations)
		close(w.calm)
		w.close()
	})
}

// ask asks once and returns the status and the body.
func (s pair) ask(ctx context.Context) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://10.0.0.2:8443/health/leadership", nil)
	require.NoError(s, err)
	response, err := (&line{s.w, s.from}).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(s, err)
	return response.StatusCode, string(body), nil
}

// within returns a context that ends after d.
func (s pair) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), d)
	s.Cleanup(cancel)
	return ctx
}

func sayHello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// sayNothing answers only when the asker is gone.
func sayNothing(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }

func TestQuestionIsAnsweredAfterTwoLatencies(t *testing.T) {
	inPair(t, sayHello, func(s pair) {
		began := time.Now()
		status, body, err := s.ask(s.Context())
		require.NoError(s, err)
		assert.Equal(s, http.StatusOK, status)
		assert.Equal(s, "hello", body)
		assert.GreaterOrEqual(s, time.Since(began), 2*peerLatency[0])
		assert.LessOrEqual(s, time.Since(began), 2*peerLatency[1])
	})
}

func TestAnsweringSideHearsThatNobodyListensAnyMore(t *testing.T) {
	var ended chan time.Duration // of the bubble
	inPair(t, func(_ http.ResponseWriter, req *http.Request) {
		began := time.Now()
		<-req.Context().Done()
		ended <- time.Since(began)
	}, func(s pair) {
		ended = make(chan time.Duration, 1)
		_, _, err := s.ask(s.within(2 * time.Second))
		require.ErrorIs(s, err, context.DeadlineExceeded)
		assert.InDelta(s, 2, (<-ended).Seconds(), 0.02)
	})
}

func TestConnectionsToADeadProcessBreakUnlessItDiesWithoutAWord(t *testing.T) {
	for name, silent := range map[string]float64{"with a word": 0, "without a word": 1} {
		t.Run(name, func(t *testing.T) {
			inPair(t, sayNothing, func(s pair) {
				s.w.profile.silentDeaths = silent
				time.AfterFunc(time.Second, func() {
					s.w.leave(s.to)
					s.to.crash()
				})
				for _, limit := range []time.Duration{time.Second, 0} { // under way, and new
					began := time.Now()
					_, _, err := s.ask(s.within(3 * time.Second))
					if silent > 0 {
						require.ErrorIs(s, err, context.DeadlineExceeded)
						continue
					}
					require.ErrorIs(s, err, map[bool]error{true: errReset, false: errUnreachable}[limit > 0])
					assert.InDelta(s, limit.Seconds(), time.Since(began).Seconds(), 0.02)
				}
			})
		})
	}
}

func TestNextIncarnationAnswersAtTheSameAddress(t *testing.T) {
	inPair(t, sayNothing, func(s pair) {
		s.w.profile.silentDeaths = 1
		s.w.leave(s.to)
		s.to.crash()
		s.w.startNode(1, calmConfig(1, time.Minute)).handler = http.HandlerFunc(sayHello)
		_, body, err := s.ask(s.within(time.Second))
		require.NoError(s, err)
		assert.Equal(s, "hello", body)
	})
}

func TestHeldProcessNeitherHearsNorAnswersNorAsks(t *testing.T) {
	for name, held := range map[string]func(pair) *process{
		"asker": func(s pair) *process { return s.from }, "answerer": func(s pair) *process { return s.to },
	} {
		t.Run(name, func(t *testing.T) {
			inPair(t, sayHello, func(s pair) {
				p := held(s)
				p.host.freeze()
				time.AfterFunc(time.Minute, p.host.thaw)
				began := time.Now()
				_, _, err := s.ask(s.Context())
				require.NoError(s, err)
				assert.InDelta(s, 60, time.Since(began).Seconds(), 0.02)
			})
		})
	}
}

func TestAnswerOfAFrozenProcessLeavesWhenItThaws(t *testing.T) {
	inPair(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		_, _ = io.WriteString(w, time.Now().Format(time.TimeOnly))
	}, func(s pair) {
		began := time.Now()
		time.AfterFunc(500*time.Millisecond, s.to.host.freeze)
		time.AfterFunc(time.Minute, s.to.host.thaw)
		_, body, err := s.ask(s.Context())
		require.NoError(s, err)
		assert.GreaterOrEqual(s, time.Since(began), time.Minute)
		assert.Equal(s, began.Add(time.Second).Format(time.TimeOnly), body, "it is an answer of then")
	})
}

func TestCutWayBreaksOrSwallowsWhatIsSentOnIt(t *testing.T) {
	there, back := way{0, 1}, way{1, 0}
	for _, c := range []struct {
		name    string
		way     way
		cut     cut
		arrives bool
		err     error
	}{
		{"questions swallowed", there, swallowed, false, context.DeadlineExceeded},
		{"answers swallowed", back, swallowed, true, context.DeadlineExceeded},
		{"questions break", there, breaking, false, errReset},
		{"answers break", back, breaking, true, errReset},
	} {
		t.Run(c.name, func(t *testing.T) {
			arrived := false
			inPair(t, func(w http.ResponseWriter, req *http.Request) {
				arrived = true
				sayHello(w, req)
			}, func(s pair) {
				s.w.network.cut(c.way, c.cut)
				_, _, err := s.ask(s.within(time.Second))
				require.ErrorIs(s, err, c.err)
				assert.Equal(s, c.arrives, arrived)
				s.w.network.cut(c.way, uncut)
				_, _, err = s.ask(s.within(time.Second))
				require.NoError(s, err)
			})
		})
	}
}

func TestCutThatBreaksEndsAQuestionThatWaits(t *testing.T) {
	inPair(t, sayNothing, func(s pair) {
		time.AfterFunc(time.Second, func() { s.w.network.cut(way{1, 0}, breaking) })
		began := time.Now()
		_, _, err := s.ask(s.within(time.Minute))
		require.ErrorIs(s, err, errReset)
		assert.InDelta(s, 1, time.Since(began).Seconds(), 0.02)
	})
}

func TestEndpointIsThatOfTheElectorAtItsPathAlone(t *testing.T) {
	inPair(t, nil, func(s pair) {
		s.to.handler = s.to.newHandler()
		status, body, err := s.ask(s.Context())
		require.NoError(s, err)
		assert.Equal(s, http.StatusNotFound, status)
		assert.NotContains(s, body, "leader", "a toy has no path")
	})
}

func TestFifthQuestionWithinAnIntervalIsCaught(t *testing.T) {
	inPair(t, sayHello, func(s pair) {
		for range maxQuestions {
			_, _, err := s.ask(s.Context())
			require.NoError(s, err)
		}
		require.Empty(s, s.w.monitor.violations)
		_, _, _ = s.ask(s.Context())
		require.Len(s, s.w.monitor.violations, 1)
		assert.Equal(s, HotLoop, s.w.monitor.violations[0].Kind)
		s.w.monitor.violations = nil
	})
}

func TestServerGivesARequestNoMoreTimeThanItsHandlerAsksFor(t *testing.T) {
	for name, more := range map[string]time.Duration{"none": 0, "enough": time.Minute} {
		t.Run(name, func(t *testing.T) {
			inPair(t, func(w http.ResponseWriter, req *http.Request) {
				if more > 0 {
					assert.NoError(t, http.NewResponseController(w).SetWriteDeadline(time.Now().Add(more)))
				}
				time.Sleep(2 * serverTimeout)
				sayHello(w, req)
			}, func(s pair) {
				_, body, err := s.ask(s.Context())
				if more == 0 {
					require.ErrorIs(s, err, errReset)
					return
				}
				require.NoError(s, err)
				assert.Equal(s, "hello", body)
			})
		})
	}
}

func TestQuestionComesWithAVerifiedCertificateUnlessTheProfileSaysOtherwise(t *testing.T) {
	var verified []bool
	handle := func(_ http.ResponseWriter, req *http.Request) {
		verified = append(verified, len(req.TLS.VerifiedChains) > 0)
	}
	inPair(t, handle, func(s pair) {
		_, _, err := s.ask(s.Context())
		require.NoError(s, err)
		s.w.profile.crowd.unverified = []bool{true, false}
		_, _, err = s.ask(s.Context())
		require.NoError(s, err)
	})
	assert.Equal(t, []bool{true, false}, verified)
}
