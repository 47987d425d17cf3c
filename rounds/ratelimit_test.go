package rounds

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEachSystemHasARateOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := &scripted{won: true}
		var outcome Outcome
		h := handlerOf(t, script, HandlerOptions{RateLimit: 0.5, Burst: 3, Observe: func(o Outcome) { outcome = o }})
		status := func(system string) int { return ask(t, h, "GET", "/api/v1/elect/"+system+"/r", remoteA).Code }
		for range 3 {
			assert.Equal(t, 202, status("a"))
		}
		asked := len(script.asked)
		w := ask(t, h, "GET", "/api/v1/completed/a/r", remoteB)
		assert.Equal(t, 429, w.Code, "all operations, whoever asks")
		assert.Equal(t, "2", w.Header().Get("Retry-After"))
		assert.Equal(t, CodeRateLimited, w.Header().Get(ResultHeader))
		assert.Equal(t, ResultRateLimited, outcome.Result)
		assert.Len(t, script.asked, asked)

		assert.Equal(t, 202, status("b"), "another system")
		time.Sleep(time.Second)
		assert.Equal(t, 429, status("a"))
		assert.Equal(t, "1", ask(t, h, "GET", "/api/v1/elect/a/r", remoteA).Header().Get("Retry-After"))
		time.Sleep(time.Second)
		assert.Equal(t, 202, status("a"), "Retry-After has told the truth")
		assert.Equal(t, 429, status("a"))
	})
}

func TestBadNamesAndStrangersDoNotUseUpARate(t *testing.T) {
	h, err := newHandler(&scripted{won: true}, HandlerOptions{RateLimit: 0.001, Burst: 1, Tokens: []string{"t"}, Logger: mute()})
	require.NoError(t, err)
	for i := range 10 {
		assert.Equal(t, 401, ask(t, h, "GET", "/api/v1/elect/s/r", remoteA).Code)
		token := header{"Authorization", "Bearer t"}
		assert.Equal(t, 400, ask(t, h, "GET", fmt.Sprintf("/api/v1/elect/s%%20%d/r", i), remoteA, token).Code)
		assert.Equal(t, 405, ask(t, h, "HEAD", "/api/v1/elect/s/r", remoteA, token).Code)
	}
	assert.Empty(t, h.limits.bySystem)
	w := ask(t, h, "GET", "/api/v1/elect/s/r", remoteA, header{"Authorization", "Bearer t"})
	assert.Equal(t, http.StatusAccepted, w.Code)
}

func TestTableOfRatesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which no time passes
		l := newLimits(1, 1)
		require.Zero(t, l.take("kept"))
		for i := range 3 * maxLimited {
			require.Zero(t, l.take(strconv.Itoa(i)))
			if i%(maxLimited/2) == 0 {
				require.Positive(t, l.take("kept"), "who asks now and then is not forgotten")
			}
		}
		assert.Len(t, l.bySystem, maxLimited)
		assert.Equal(t, maxLimited, l.recent.Len())
		assert.Zero(t, l.take("0"), "forgotten long ago")
	})
}

func TestBurstDefaultsToTheRate(t *testing.T) {
	for perSecond, want := range map[float64]int{0.1: 1, 1: 1, 2.5: 3, 100: 100, 1e300: 1<<31 - 1} {
		assert.Equal(t, want, newLimits(perSecond, 0).burst)
	}
}

func TestNobodyIsAskedToWaitForEver(t *testing.T) {
	l := newLimits(1e-300, 1)
	assert.Zero(t, l.take("s"))
	assert.Equal(t, maxRetryAfter, l.take("s"))
}

func TestRateHoldsUnderConcurrency(t *testing.T) {
	l := newLimits(1e-9, 50)
	var passed atomic.Int32
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 100 {
				if l.take("s") == 0 {
					passed.Add(1)
				}
			}
		})
	}
	asking.Wait()
	assert.EqualValues(t, 50, passed.Load())
}
