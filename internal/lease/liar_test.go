package lease

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The peer tells anything, at any time: the claim comes less than four leases late.
func TestWhateverAPeerSaysAStorageThatStandsStillIsClaimed(t *testing.T) {
	worst := time.Duration(0)
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newScript(t, withPeers, func(c *Config) {
			c.Frequent = time.Duration(200+r.IntN(5000)) * time.Millisecond
		})
		const term = 3
		v := version(term, 5)
		v.Lease = leaseTime
		seen := []Record{v}
		latency := time.Duration(5+r.IntN(2500)) * time.Millisecond
		style := r.IntN(4)
		// A liar sticks to its lies, by and large.
		habit := [6]int{}
		for i := range habit {
			habit[i] = r.IntN(1000)
		}
		pick := func(i, n int) int {
			if r.IntN(20) == 0 {
				return r.IntN(n)
			}
			return habit[i] % n
		}
		first := s.now.Mono
		var answerAt, replyAt time.Duration
		var forQ *Question
		const limit = 12 * leaseTime
		for callRecord(s) == nil {
			if s.now.Mono-first > limit {
				t.Fatalf("seed %d: no claim in %v (latency %v, frequent %v, style %d)", seed, limit, latency, s.m.cfg.Frequent, style)
			}
			if s.m.Call() == nil {
				answerAt = 0
			} else if answerAt == 0 {
				answerAt = s.now.Mono + time.Duration(float64(latency)*(0.5+r.Float64()))
			}
			next := max(s.wake, s.now.Mono+1)
			if q := s.m.Question(); q != nil {
				if q != forQ {
					forQ = q
					replyAt = s.now.Mono + []time.Duration{0, time.Duration(r.IntN(2000)) * time.Millisecond, s.m.cfg.Frequent / 4, latency}[style]
				}
				if s.now.Mono >= replyAt {
					w := word(term, 5)
					w.Record = s.m.seen.record
					if pick(4, 2) == 0 {
						w.Record = seen[r.IntN(len(seen))]
					}
					w.ETag = s.m.seen.version.ETag
					switch pick(0, 8) {
					case 0, 1, 2:
						w.Record.Sequence = s.m.seen.record.Sequence + 1 + r.Int64N(3)
					case 3:
						w.Record.Sequence = r.Int64N(20)
					}
					switch pick(1, 4) {
					case 0:
						w.Record.Nonce = fmt.Sprint("x", r.IntN(1000))
					case 1:
						w.Record.Nonce = v.Nonce
						w.ETag = "e5"
					}
					if pick(2, 4) == 0 {
						w.ETag = fmt.Sprint("e", r.IntN(6))
					}
					switch pick(3, 12) {
					case 0:
						w.Record.Lease = time.Hour
					case 1:
						w.Record.Lease = 0
					case 2:
						w.Record = resigned(w.Record)
					case 3:
						w.Poll = time.Hour
					case 4:
						w.Poll = 0
					case 5:
						w.Record.Session = ""
					}
					seen = append(seen, w.Record)
					if pick(5, 10) == 0 {
						s.m.Reply(s.now, nil, errSilent)
					} else {
						s.m.Reply(s.now, w, nil)
					}
					s.step()
					continue
				}
				next = min(next, replyAt)
			}
			if s.m.Call() != nil {
				if s.now.Mono >= answerAt {
					s.m.Answer(s.now, shows("e5", v))
					s.step()
					answerAt = 0
					continue
				}
				next = min(next, answerAt)
			}
			s.to(next)
		}
		if c := s.m.Call(); c.ETag != "e5" || s.now.Mono-first < leaseTime {
			t.Fatalf("seed %d: claims over %q after %v", seed, c.ETag, s.now.Mono-first)
		}
		worst = max(worst, s.now.Mono-first)
	}
	assert.Less(t, worst, 5*leaseTime)
}
