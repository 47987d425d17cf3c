package sim

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	s3lect "github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/figure"
)

// beatInterval is the time between two heartbeats at the default lease.
const beatInterval = s3lect.DefaultLeaderTimeout / 3

// membership is a fleet in which every member is an observer.
type membership struct {
	members, voters int
	quorum          int // 0: none is asked for
	peers           bool
}

func (f membership) String() string {
	s := fmt.Sprintf("%d members, %d of them voting, quorum %d", f.members, f.voters, f.quorum)
	return s + f.mode()
}

func (f membership) mode() string { return pick(f.peers, ", peer mode", ", storage alone") }

func (f membership) config(node int) s3lect.ElectorConfig {
	c := calmConfig(node, s3lect.DefaultInfrequentInterval)
	c.PeerMode, c.QuorumSize, c.NonVoting = f.peers, f.quorum, node >= f.voters
	c.ObserverMetadata = map[string]string{"zone": fmt.Sprintf("eu-%d", node%3)}
	return c
}

// start starts the fleet with right clocks, 20–60 ms from the storage.
func (f membership) start() *world {
	p := calmProfile(f.members)
	p.faults = []fault{observing, quorums}
	if f.peers {
		p.faults = append(p.faults, peerMode)
	}
	w := newWorld(1, p, Real, nil, slog.LevelError)
	for node := range f.members {
		w.startNode(node, f.config(node))
	}
	return w
}

// bothWays runs a measurement on a fleet of five, all voting, without and with peer mode.
func bothWays(t *testing.T, measure func(t *testing.T, f membership, w *world)) {
	t.Helper()
	for _, peers := range []bool{false, true} {
		t.Run(pick(peers, "peers", "storage"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := membership{members: 5, voters: 5, quorum: 3, peers: peers}
				w := f.start()
				measure(t, f, w)
				w.close()
				require.Empty(t, w.monitor.violations)
			})
		})
	}
}

// bringDown kills that many members other than p at once.
func (w *world) bringDown(n int, p *process) (dead []int) {
	for node := range w.profile.nodes {
		if q := w.process(node); q != p && len(dead) < n {
			w.leave(q)
			q.crash()
			dead = append(dead, node)
		}
	}
	return dead
}

// untilNobodyLeads waits for the end of a leadership.
func (w *world) untilNobodyLeads(t *testing.T) time.Time {
	t.Helper()
	for began := time.Now(); len(w.monitor.leaders()) > 0; time.Sleep(10 * time.Millisecond) {
		require.Less(t, time.Since(began), 10*time.Minute, "the leader does not step down")
	}
	return time.Now()
}

// TestQuorumLossAndReturn measures the time from the death of too many members to the end of the
// leadership, and from their return to the next one.
func TestQuorumLossAndReturn(t *testing.T) {
	const lease, grace = s3lect.DefaultLeaderTimeout, s3lect.DefaultLeaderTimeout
	bothWays(t, func(t *testing.T, f membership, w *world) {
		t.Helper()
		var ends, returns []time.Duration
		moments := w.dice("moments")
		for range *crashCount {
			p := w.leaderAt(t, moments)
			before, began := w.monitor.changes(), time.Now()
			dead := w.bringDown(f.members-f.quorum+1, p)
			ends = append(ends, w.untilNobodyLeads(t).Sub(began))
			time.Sleep(moments.between(0, 90*time.Second))
			require.Equal(t, before, w.monitor.changes(), "somebody leads without a quorum")
			back := time.Now()
			for _, node := range dead {
				w.startNode(node, f.config(node))
			}
			returns = append(returns, w.nextLeader(t, before).Since.Sub(back))
		}
		// What was heard of the dead last is a heartbeat's interval and a read old at most, and with
		// peer mode may be found on the storage half a lease later.
		bound := lease + grace + beatInterval + pick(f.peers, lease/2, 0) + claimAllowance
		at := logTimes(t, "too few members, until the leader steps down"+f.mode(), ends, bound)
		assert.LessOrEqual(t, at(1), bound)
		// A heartbeat is seen to be one by the second look, and enough members are there for a lease.
		bound = 2*beatInterval + lease + s3lect.DefaultFrequentInterval + claimAllowance
		at = logTimes(t, "enough again, until somebody leads"+f.mode(), returns, bound)
		assert.LessOrEqual(t, at(1), bound)
	})
}

// TestQuorumFailover measures the time from the death of a leader, and from its graceful stop, to the
// next one, where a quorum is asked for and there.
func TestQuorumFailover(t *testing.T) {
	const lease = s3lect.DefaultLeaderTimeout
	for _, crash := range []bool{true, false} {
		t.Run(pick(crash, "crash", "Stop"), func(t *testing.T) {
			bothWays(t, func(t *testing.T, f membership, w *world) {
				t.Helper()
				var times []time.Duration
				moments := w.dice("moments")
				for range *crashCount {
					p := w.leaderAt(t, moments)
					before, began := w.monitor.changes(), time.Now()
					w.leave(p)
					if crash {
						p.crash()
					} else {
						w.burials.Go(p.end)
					}
					times = append(times, w.nextLeader(t, before).Since.Sub(began))
					w.burials.Wait()
					w.startNode(p.node, f.config(p.node))
				}
				bound := [2][2]time.Duration{{lease, 400 * time.Millisecond}, {2 * lease, lease}}[pick(crash, 1, 0)][pick(f.peers, 1, 0)] + claimAllowance
				at := logTimes(t, pick(crash, "crash of the leader", "`Stop` of the leader")+f.mode(), times, bound)
				assert.LessOrEqual(t, at(1), bound)
			})
		})
	}
}

// TestQuorumRequestsPerHour counts what observers cost the storage, without and with peer mode.
func TestQuorumRequestsPerHour(t *testing.T) {
	period, fleets := 10*time.Minute, []membership{{members: 5, voters: 5, quorum: 3}, {members: 5, voters: 5, quorum: 3, peers: true}}
	if *crashCount >= 1000 { // an hour of fifty members takes long to simulate
		period = time.Hour
		for _, voters := range []int{5, 50} {
			fleets = append(fleets, membership{members: 50, voters: voters, quorum: 26}, membership{members: 50, voters: voters, quorum: 26, peers: true})
		}
	}
	for _, f := range fleets {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := f.start()
				// With peer mode nobody uses the list any more, and who stands there is taken off after ten leases.
				time.Sleep(pick(f.peers, 6*time.Minute, time.Minute))
				records, rosters, changes := w.store.total(leaderRecord), w.store.total(rosterObject), w.monitor.changes()
				time.Sleep(period)
				records, rosters = w.store.total(leaderRecord).minus(records), w.store.total(rosterObject).minus(rosters)
				require.Equal(t, changes, w.monitor.changes(), "the leadership has changed")
				w.close()
				require.Empty(t, w.monitor.violations)
				perHour := func(n int) int { return n * int(time.Hour/period) }
				t.Logf("%-62s per hour: leader record %4d writes, %5d reads; list of observers %5d writes, of which refused %5d, %5d reads",
					f, perHour(records.Writes), perHour(records.Reads), perHour(rosters.Writes), perHour(rosters.Refused), perHour(rosters.Reads))
				for metric, n := range map[string]int{
					"writes of the record": records.Writes, "reads of the record": records.Reads,
					"writes of the list": rosters.Writes, "of which refused": rosters.Refused, "reads of the list": rosters.Reads,
				} {
					figure.Report(t, f.String(), metric, "1", float64(perHour(n)))
				}
				assert.LessOrEqual(t, perHour(records.Writes), 720)
				if f.peers {
					assert.Zero(t, rosters.Writes)
					looks := 1 + int(period/(3*s3lect.DefaultLeaderTimeout*96/100))
					assert.LessOrEqual(t, rosters.Reads, looks, "the leader looks every third lease")
				} else {
					beats := f.members * (1 + int(period/(beatInterval*96/100)))
					assert.LessOrEqual(t, rosters.Writes-rosters.Refused, beats)
				}
			})
		})
	}
}
