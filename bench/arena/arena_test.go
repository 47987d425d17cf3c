package arena

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// toy is a candidate that leads when it is told to.
type toy struct{ leads atomic.Bool }

func (t *toy) Start() error { return nil }
func (t *toy) Stop()        { t.leads.Store(false) }
func (t *toy) Leads() bool  { return t.leads.Load() }

// toys is an arena with two of them.
func toys(t *testing.T) (a *Arena, nodes []*Node, candidates []*toy) {
	t.Helper()
	a = New(Options{Seed: 1, Launch: func(*Node) (Candidate, error) {
		c := &toy{}
		candidates = append(candidates, c)
		return c, nil
	}})
	for range 2 {
		n := a.Add()
		require.NoError(t, a.Launch(n))
		nodes = append(nodes, n)
	}
	return a, nodes, candidates
}

// two makes an arena of two nodes, and returns the first one. It is closed with the bubble.
func two(t *testing.T) (*Arena, *Node) {
	t.Helper()
	a, nodes, _ := toys(t)
	t.Cleanup(a.Close)
	return a, nodes[0]
}

func put(ctx context.Context, n *Node, body, etag string) (string, error) {
	input := &s3.PutObjectInput{Bucket: aws.String(Bucket), Key: aws.String("key"), Body: strings.NewReader(body)}
	if etag == "" {
		input.IfNoneMatch = aws.String("*")
	} else {
		input.IfMatch = &etag
	}
	o, err := n.S3WithoutRetries().PutObject(ctx, input)
	if err != nil {
		return "", err
	}
	return aws.ToString(o.ETag), nil
}

func get(ctx context.Context, n *Node) (body, etag string, err error) {
	o, err := n.S3WithoutRetries().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(Bucket), Key: aws.String("key")})
	if err != nil {
		return "", "", err
	}
	defer o.Body.Close()
	data, err := io.ReadAll(o.Body)
	return string(data), aws.ToString(o.ETag), err
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

func TestABucketHeedsConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, n := two(t)
		_, _, err := get(t.Context(), n)
		assert.Equal(t, "NoSuchKey", code(err))
		first, err := put(t.Context(), n, "one", "")
		require.NoError(t, err)
		_, err = put(t.Context(), n, "two", "")
		assert.Equal(t, "PreconditionFailed", code(err))
		_, err = put(t.Context(), n, "two", first)
		require.NoError(t, err)
		_, err = put(t.Context(), n, "three", first)
		assert.Equal(t, "PreconditionFailed", code(err), "a stale ETag")
		body, _, err := get(t.Context(), n)
		require.NoError(t, err)
		assert.Equal(t, "two", body)
		assert.Equal(t, Counts{Reads: 2, Writes: 4, Refused: 2}, a.Counts())
	})
}

func TestABucketDeletesOnlyTheVersionThatIsMeant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := two(t)
		etag, err := put(t.Context(), n, "one", "")
		require.NoError(t, err)
		remove := func(etag string) error {
			_, err := n.S3().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(Bucket), Key: aws.String("key"), IfMatch: &etag})
			return err
		}
		assert.Equal(t, "PreconditionFailed", code(remove(`"other"`)))
		require.NoError(t, remove(etag))
		_, _, err = get(t.Context(), n)
		assert.Equal(t, "NoSuchKey", code(err))
	})
}

func TestABucketSaysWhatItCannotDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := two(t)
		_, err := n.S3WithoutRetries().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(Bucket)})
		assert.Equal(t, "NotImplemented", code(err))
	})
}

func TestRequestsTakeAsLongAsTheOptionsSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := two(t)
		for range 50 {
			began := time.Now()
			_, _, _ = get(t.Context(), n)
			assert.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond)
			assert.LessOrEqual(t, time.Since(began), 60*time.Millisecond)
		}
	})
}

func TestWeather(t *testing.T) {
	for _, c := range []struct {
		name    string
		weather weather
		code    []string // of the error, if it is an answer
		landed  bool     // at once
		later   bool
	}{
		{name: "a request that fails is not carried out", weather: weather{errors: 1}, code: []string{"", "InternalError"}},
		{name: "a write whose answer is lost is carried out", weather: weather{lost: 1}, landed: true, later: true},
		{name: "a late write is carried out after it has failed", weather: weather{late: 1, longest: time.Minute}, later: true},
		{name: "a conflict is not carried out", weather: weather{conflict: 1}, code: []string{"ConditionalRequestConflict"}},
		{name: "what is throttled is not carried out", weather: weather{throttled: 1}, code: []string{"SlowDown", "TooManyRequests"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, n := two(t)
				a.setWeather(c.weather)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := put(ctx, n, "one", "")
				require.Error(t, err)
				if c.code != nil {
					assert.Contains(t, c.code, code(err))
				}
				_, landed := a.bucket.look("/arena/key")
				assert.Equal(t, c.landed, landed)
				a.calm()
				time.Sleep(2 * time.Minute)
				_, landed = a.bucket.look("/arena/key")
				assert.Equal(t, c.later, landed)
			})
		})
	}
}

func TestATornReadHasTheETagOfOneVersionAndTheBodyOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, n := two(t)
		first, err := put(t.Context(), n, "one", "")
		require.NoError(t, err)
		a.setWeather(weather{torn: 1})
		for range 20 { // until the write comes in between
			go func() {
				time.Sleep(60 * time.Millisecond)
				_, _ = put(t.Context(), a.Nodes()[1], "two", first)
			}()
			body, etag, err := get(t.Context(), n)
			require.NoError(t, err)
			if body == "two" && etag == first {
				return
			}
		}
		t.Error("no read was torn")
	})
}

func TestACutWayBreaksOrHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := two(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n.CutOff(false, false)
		began := time.Now()
		_, err := put(ctx, n, "one", "")
		require.ErrorIs(t, err, errReset)
		assert.Less(t, time.Since(began), time.Second)
		n.CutOff(true, false)
		_, err = put(ctx, n, "one", "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(began))
		n.Mend()
		_, err = put(t.Context(), n, "one", "")
		assert.NoError(t, err, "nothing was carried out")
	})
}

func TestAFrozenProcessHearsNothingEvenWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := two(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n.Freeze()
		began := time.Now()
		time.AfterFunc(time.Minute, n.Thaw)
		_, err := put(ctx, n, "one", "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

func TestADeadProcessAsksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, n := two(t)
		n.Crash()
		_, err := put(t.Context(), n, "one", "")
		require.ErrorIs(t, err, errDead)
		assert.Equal(t, Counts{}, a.Counts())
		fresh := n.Replace()
		assert.Equal(t, n.Name(), fresh.Name())
		assert.Contains(t, a.Nodes(), fresh)
		assert.NotContains(t, a.Nodes(), n)
	})
}

func TestTheRefereeSeesTwoLeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, candidates := toys(t)
		defer a.Close()
		r := a.Watch()
		candidates[0].leads.Store(true)
		time.Sleep(time.Second + time.Millisecond)
		candidates[1].leads.Store(true)
		time.Sleep(3 * time.Second)
		candidates[0].leads.Store(false)
		time.Sleep(time.Second)
		candidates[0].leads.Store(true)
		time.Sleep(time.Second)
		v := r.Verdict()
		assert.Equal(t, 6*time.Second, v.Watched)
		assert.Equal(t, v.Watched, v.Led)
		assert.Equal(t, 4*time.Second, v.Two)
		assert.Equal(t, 3*time.Second, v.Longest)
	})
}

func TestAProcessThatWakesUpIsAskedBeforeItHearsAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, nodes, candidates := toys(t)
		defer a.Close()
		r := a.Watch()
		candidates[0].leads.Store(true)
		nodes[0].Freeze()
		candidates[1].leads.Store(true)
		time.Sleep(time.Second)
		assert.Equal(t, []*Node{nodes[1]}, a.Leaders(), "a frozen process is told nothing")
		r.awakes(nodes[0])
		candidates[0].leads.Store(false)
		nodes[0].Thaw()
		r.awakes(nodes[0]) // who is awake already is not asked again
		time.Sleep(time.Second)
		assert.Equal(t, Tick, r.Verdict().Two)
	})
}

func TestANodesClocksRunAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := two(t)
		n.rate = 1.05
		e := n.Env()
		before := e.Now()
		timer := e.NewTimer()
		timer.Reset(105 * time.Second)
		began := time.Now()
		<-timer.C()
		assert.InDelta(t, 100*time.Second, time.Since(began), float64(time.Millisecond))
		after := e.Now()
		assert.GreaterOrEqual(t, after.Mono-before.Mono, 105*time.Second, "a timer never fires early")
		n.Step(10 * time.Second)
		assert.Equal(t, after.Wall+int64(10*time.Second), e.Now().Wall)
		assert.Equal(t, after.Mono, e.Now().Mono)
		assert.InDelta(t, 15*time.Second, n.Shown(n.Local(15*time.Second)), 2)
	})
}

func TestAKeyOfRedisExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := two(t)
		_, err := Redis(t.Context(), n, true, func(k Keys) any { k.Set("key", "mine", time.Minute); return nil })
		require.NoError(t, err)
		look := func() string {
			value, err := Redis(t.Context(), n, false, func(k Keys) string { value, _ := k.Get("key"); return value })
			require.NoError(t, err)
			return value
		}
		assert.Equal(t, "mine", look())
		time.Sleep(time.Minute)
		assert.Empty(t, look())
	})
}

func TestPeersAreHeardUnlessSomethingStandsBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, n := two(t)
		other := a.Nodes()[1]
		ask := func() (int, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+other.Addr()+"/", http.NoBody)
			require.NoError(t, err)
			res, err := n.Env().PeerTransport.RoundTrip(req)
			if err != nil {
				return 0, err
			}
			return res.StatusCode, res.Body.Close()
		}
		_, err := ask()
		require.ErrorIs(t, err, errReset, "nobody answers there yet")
		other.Serve(http.NotFoundHandler())
		status, err := ask()
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, status)
		other.CutOff(true, true)
		_, err = ask()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		other.Mend()
		other.Freeze()
		_, err = ask()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.AfterFunc(time.Second, other.Crash)
		began := time.Now()
		_, err = ask()
		require.ErrorIs(t, err, errReset, "the connection breaks with the process")
		assert.Less(t, time.Since(began), 2*time.Second)
	})
}

func TestAPeerThatEndsBeforeItAnswersBreaksTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, n := two(t)
		other := a.Nodes()[1]
		other.Serve(http.NotFoundHandler())
		other.Freeze() // so that the question has arrived when it ends
		time.AfterFunc(time.Second, func() {
			other.Serve(nil)
			other.Thaw()
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+other.Addr()+"/", http.NoBody)
		require.NoError(t, err)
		res, err := n.Env().PeerTransport.RoundTrip(req)
		if err == nil {
			_ = res.Body.Close() // it is in memory
		}
		require.ErrorIs(t, err, errReset)
	})
}

// clinging is a candidate whose Stop returns when it is allowed to.
type clinging struct {
	toy
	release chan struct{}
}

func (c *clinging) Stop() { <-c.release }

func TestACandidateThatDoesNotStopIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clinging{release: make(chan struct{})}
		a := New(Options{Seed: 1, Launch: func(*Node) (Candidate, error) { return c, nil }})
		n := a.Add()
		require.NoError(t, a.Launch(n))
		go func() { // in whose bubble time goes on for ever
			ticker := time.NewTicker(time.Second)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
				case <-c.release:
					return
				}
			}
		}()
		assert.PanicsWithValue(t, "node-0 has been stopped for an hour, and has not ended", a.Close)
		close(c.release)
	})
}
