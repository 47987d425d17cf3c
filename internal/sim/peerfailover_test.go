package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	s3lect "github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/figure"
)

// pollLimit is for how long a leader at the default intervals keeps an answer back at most.
const pollLimit = s3lect.DefaultFrequentInterval * 21 / 20

// startPeers starts nodes in peer mode, with right clocks, 20–60 ms from the storage and 0.5–5 ms
// from each other.
func startPeers(nodes int, silent bool) *world {
	p := calmProfile(nodes)
	p.faults = []fault{peerMode}
	p.silentDeaths = pick(silent, 1.0, 0.0)
	w := newWorld(1, p, Real, nil, slog.LevelError)
	for node := range w.nodes {
		w.startNode(node, peerConfig(node))
	}
	return w
}

func peerConfig(node int) s3lect.ElectorConfig {
	c := calmConfig(node, s3lect.DefaultInfrequentInterval)
	c.PeerMode = true
	return c
}

// leaderAt waits for a random moment of a settled leadership and returns who leads.
func (w *world) leaderAt(t *testing.T, moments *dice) *process {
	t.Helper()
	time.Sleep(moments.between(60*time.Second, 90*time.Second))
	leaders := w.monitor.leaders()
	require.Len(t, leaders, 1)
	return leaders[0]
}

// nextLeader waits for the leadership after so many, and returns it.
func (w *world) nextLeader(t *testing.T, before int) Leadership {
	t.Helper()
	began := time.Now()
	for w.monitor.changes() == before {
		require.Less(t, time.Since(began), 10*time.Minute, "no new leader")
		time.Sleep(50 * time.Millisecond)
	}
	return w.monitor.mainLeaderships()[before]
}

// logTimes reports a distribution and returns its quantiles. A bound of 0 is none.
func logTimes(t *testing.T, name string, times []time.Duration, bound time.Duration) func(q float64) time.Duration {
	t.Helper()
	figure.Times(t, name, timeMetric, times...)
	if bound > 0 {
		figure.Bound(t, name, bound, "")
	}
	slices.Sort(times)
	at := func(q float64) time.Duration { return times[int(q*float64(len(times)-1))].Round(time.Millisecond) }
	t.Logf("%-44s %5d times: min %8v  median %8v  p99 %8v  max %8v  bound %v", name, len(times), at(0), at(0.5), at(0.99), at(1), bound)
	return at
}

// TestPeersFailOverWithinALease measures the time from a leader's death to the next leader. Where
// connections break, the followers hear of it at once; where it dies without a word, when the long
// poll should have been answered.
func TestPeersFailOverWithinALease(t *testing.T) {
	for _, followers := range []int{1, 4} {
		for _, silent := range []bool{false, true} {
			name := fmt.Sprintf("crash%s, %d follower%s", pick(silent, " in silence", ", connections break"), followers, pick(followers == 1, "", "s"))
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var times []time.Duration
					w := startPeers(followers+1, silent)
					moments := w.dice("moments")
					for range *crashCount {
						p := w.leaderAt(t, moments)
						before, began := w.monitor.changes(), time.Now()
						w.leave(p)
						p.crash()
						times = append(times, w.nextLeader(t, before).Since.Sub(began))
						w.startNode(p.node, peerConfig(p.node))
					}
					w.close()
					require.Empty(t, w.monitor.violations)
					bound := s3lect.DefaultLeaderTimeout + pick(silent, pollLimit+s3lect.DefaultPeerTimeout, 0) + claimAllowance
					at := logTimes(t, name, times, bound)
					assert.LessOrEqual(t, at(1), bound)
				})
			})
		}
	}
}

// TestPeersHandOverInMilliseconds measures the time from the order to the next leader.
func TestPeersHandOverInMilliseconds(t *testing.T) {
	const bound = 400 * time.Millisecond
	for name, order := range map[string]func(w *world, p *process){
		"Stop": func(w *world, p *process) {
			w.leave(p)
			w.burials.Go(p.end)
		},
		"Resign": func(w *world, p *process) {
			w.burials.Go(func() { _ = p.elector.Resign(context.Background()) })
		},
		"TransferLeadership": func(w *world, p *process) {
			to := w.process((p.node + 1) % w.profile.nodes).currentConfig().ServerID
			w.burials.Go(func() { _ = p.elector.TransferLeadership(context.Background(), to) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var times []time.Duration
				w := startPeers(5, false)
				moments := w.dice("moments")
				for range *crashCount {
					p := w.leaderAt(t, moments)
					before, began := w.monitor.changes(), time.Now()
					order(w, p)
					next := w.nextLeader(t, before)
					times = append(times, next.Since.Sub(began))
					if name == "Stop" {
						w.burials.Wait()
						w.startNode(p.node, peerConfig(p.node))
					}
				}
				w.close()
				require.Empty(t, w.monitor.violations)
				at := logTimes(t, "`"+name+"`, 4 followers", times, 0)
				figure.Bound(t, "`"+name+"`, 4 followers", bound, "of the p99")
				assert.LessOrEqual(t, at(0.99), bound)
			})
		})
	}
}

// TestRequestsPerHourOfPeers counts what one leader and four followers cost in peer mode, at the
// default intervals.
func TestRequestsPerHourOfPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checkSteadyHour(t, startPeers(5, false), "one leader and four followers in peer mode", 330)
	})
}

// TestHundredPeersDoNotStampede counts the claims that are refused when one of a hundred members
// hands over, and when it dies.
func TestHundredPeersDoNotStampede(t *testing.T) {
	const mostRefused = 20.0
	for name, end := range map[string]func(w *world, p *process){
		"Resign": func(w *world, p *process) {
			w.burials.Go(func() { _ = p.elector.Resign(context.Background()) })
		},
		"Stop": func(w *world, p *process) {
			w.leave(p)
			w.burials.Go(p.end)
		},
		"crash": func(w *world, p *process) {
			w.leave(p)
			p.crash()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := startPeers(100, false)
				moments := w.dice("moments")
				var refused []float64
				var times []time.Duration
				for range max(3, *crashCount/10) {
					p := w.leaderAt(t, moments)
					before, counts, began := w.monitor.changes(), w.store.total(leaderRecord), time.Now()
					end(w, p)
					times = append(times, w.nextLeader(t, before).Since.Sub(began))
					time.Sleep(10 * time.Second)
					refused = append(refused, float64(w.store.total(leaderRecord).Refused-counts.Refused))
					if name != "Resign" {
						w.burials.Wait()
						w.startNode(p.node, peerConfig(p.node))
					}
				}
				w.close()
				require.Empty(t, w.monitor.violations)
				slices.Sort(refused)
				sum := 0.0
				for _, n := range refused {
					sum += n
				}
				what := pick(name == "crash", "crash, connections break", "`"+name+"`") + ", 99 followers"
				logTimes(t, what, times, 0)
				figure.Report(t, what, "refused claims", "1", refused...)
				figure.Report(t, what, figure.BoundMetric+" of refused claims", "1", mostRefused)
				t.Logf("%-44s %5d times: %.1f writes refused on average, %v at most", what, len(refused), sum/float64(len(refused)), refused[len(refused)-1])
				assert.LessOrEqual(t, refused[len(refused)-1], mostRefused)
			})
		})
	}
}

// TestLyingPeerDelaysTheFailoverByLessThanFourLeases: at the address of a dead leader somebody tells of
// ever newer versions, while the record on the storage stands still. The storage wins.
func TestLyingPeerDelaysTheFailoverByLessThanFourLeases(t *testing.T) {
	// It is asked after a frequent interval, and believed until the next read.
	const bound = s3lect.DefaultFrequentInterval*5/4 + (3+1)*s3lect.DefaultLeaderTimeout + claimAllowance
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		w := startPeers(5, false)
		w.monitor.only = []string{TwoLeaders, TrustWindow, EarlyClaim, Terms, HotLoop, Records}
		moments := w.dice("moments")
		for range max(3, *crashCount/10) {
			p := w.leaderAt(t, moments)
			before, began := w.monitor.changes(), time.Now()
			addr := p.currentConfig().ServerAddr
			w.network.replace(addr, liar(*w.store.look(mainKey).record))
			w.leave(p)
			p.crash()
			times = append(times, w.nextLeader(t, before).Since.Sub(began))
			w.network.replace(addr, nil)
			w.startNode(p.node, peerConfig(p.node))
		}
		w.close()
		require.Empty(t, w.monitor.violations)
		at := logTimes(t, "crash, connections break, and at the address a peer lies, 4 followers", times, bound)
		assert.LessOrEqual(t, at(1), bound)
		assert.Greater(t, at(1), 2*s3lect.DefaultLeaderTimeout, "it was believed for a while, or this tests nothing")
	})
}

// liar tells of a new version every FrequentInterval, as the leader would.
func liar(r record) http.Handler {
	began, last := time.Now(), r.Sequence
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Has("session") {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s3lect.DefaultLeaderTimeout))
			select {
			case <-time.After(s3lect.DefaultFrequentInterval - time.Since(began)%s3lect.DefaultFrequentInterval):
			case <-req.Context().Done():
				return
			}
		}
		now := r
		now.Sequence = last + 1 + int64(time.Since(began)/s3lect.DefaultFrequentInterval)
		now.Nonce, now.LastUpdated = fmt.Sprint("invented ", now.Sequence), time.Now()
		body, _ := json.Marshal(told{record: now, ETag: fmt.Sprintf("%q", now.Nonce), RemainingMillis: 13000, PollMillis: 5251})
		_, _ = w.Write(body)
	})
}
