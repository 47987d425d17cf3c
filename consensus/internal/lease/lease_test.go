package lease

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const timeout = time.Second

// wire is the end of a network that a test speaks for.
type wire struct {
	raft.Transport
	consumer chan raft.RPC
	handle   func(raft.RPC)
	// answer is what peers say to heartbeats and votes.
	answer func(id raft.ServerID, request *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error)
	mu     sync.Mutex
	asked  []raft.ServerID // for their votes

	noPipelines bool
	opening     chan struct{} // which a pipeline waits for, if there is one
}

func (w *wire) Consumer() <-chan raft.RPC                 { return w.consumer }
func (w *wire) SetHeartbeatHandler(handle func(raft.RPC)) { w.handle = handle }
func (w *wire) Close() error                              { return nil }

func (w *wire) AppendEntries(id raft.ServerID, _ raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	answer, err := w.answer(id, request)
	if err == nil {
		*response = *answer
	}
	return err
}

func (w *wire) RequestVote(id raft.ServerID, _ raft.ServerAddress, _ *raft.RequestVoteRequest, _ *raft.RequestVoteResponse) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, id)
	return nil
}

func (w *wire) RequestPreVote(raft.ServerID, raft.ServerAddress, *raft.RequestPreVoteRequest, *raft.RequestPreVoteResponse) error {
	return nil
}

// granting answers as one whose log ends with entry 9.
func granting(term uint64) func(raft.ServerID, *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
	return func(raft.ServerID, *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
		return &raft.AppendEntriesResponse{Term: term, Success: true, LastLog: 9}, nil
	}
}

func newEndpoint(t *testing.T, w *wire, hold bool, voters ...raft.ServerID) *Endpoint {
	t.Helper()
	o := Options{Self: "n1", ElectionTimeout: timeout, Voters: func() []raft.ServerID { return voters }}
	if hold {
		o.HoldBack = timeout
	}
	return open(t, w, o)
}

func open(t *testing.T, w *wire, o Options) *Endpoint {
	t.Helper()
	w.consumer = make(chan raft.RPC)
	e := New(w, o)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// beatTo sends a heartbeat of term 5.
func beatTo(e *Endpoint, id raft.ServerID) error {
	return e.AppendEntries(id, raft.ServerAddress(id), &raft.AppendEntriesRequest{Term: 5}, &raft.AppendEntriesResponse{})
}

func TestTheLeaseCountsFromWhenHeartbeatsWereSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(raft.ServerID, *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
			time.Sleep(600 * time.Millisecond) // the way of a slow answer
			return &raft.AppendEntriesResponse{Term: 5, Success: true}, nil
		}}
		e := newEndpoint(t, w, false, "n1", "n2", "n3")
		require.False(t, e.Leading(5))
		require.NoError(t, beatTo(e, "n2"))
		require.True(t, e.Leading(5))
		require.False(t, e.Leading(4))
		require.False(t, e.Leading(6))
		time.Sleep(299 * time.Millisecond)
		require.True(t, e.Leading(5))
		time.Sleep(time.Millisecond)
		require.False(t, e.Leading(5), "900 ms after the heartbeat was sent")
	})
}

func TestOnlyAMajorityOfVotersMakesALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, &wire{answer: granting(5)}, false, "n1", "n2", "n3", "n4", "n5")
		require.NoError(t, beatTo(e, "n2"))
		for range 3 {
			require.NoError(t, beatTo(e, "n2"))
			require.NoError(t, beatTo(e, "observer"))
			require.NoError(t, beatTo(e, "another"))
		}
		require.False(t, e.Leading(5), "one voter's answers are one vote, and those of others none")
		require.NoError(t, beatTo(e, "n3"))
		require.True(t, e.Leading(5))
	})
}

func TestARefusedOrForeignAnswerMakesNoLease(t *testing.T) {
	for name, answer := range map[string]func(raft.ServerID, *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error){
		"refused": func(raft.ServerID, *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
			return &raft.AppendEntriesResponse{Term: 5}, nil
		},
		"another term": granting(6),
		"error": func(raft.ServerID, *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
			return nil, errors.New("gone")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, &wire{answer: answer}, false, "n1", "n2", "n3")
			_ = beatTo(e, "n2")
			require.False(t, e.Leading(5))
		})
	}
}

func TestTheOnlyVoterLeadsWithoutALease(t *testing.T) {
	require.True(t, newEndpoint(t, &wire{}, false, "n1").Leading(7))
	require.False(t, newEndpoint(t, &wire{}, false, "n2").Leading(7))
	require.False(t, newEndpoint(t, &wire{}, false).Leading(7))
}

func TestAQuestionIsConfirmedByHeartbeatsSentAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, &wire{answer: granting(5)}, false, "n1", "n2", "n3")
		require.NoError(t, beatTo(e, "n2"))
		question := e.Question()
		confirmed, changed := e.Confirmed(5, question)
		require.False(t, confirmed, "that heartbeat was sent before")
		require.NoError(t, beatTo(e, "n2"))
		<-changed
		confirmed, _ = e.Confirmed(5, question)
		require.True(t, confirmed)
		confirmed, _ = e.Confirmed(4, question)
		require.False(t, confirmed)
	})
}

// engine answers what comes through the wire as the Raft engine would: everything is granted.
func engine(t *testing.T, e *Endpoint) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for {
			select {
			case rpc := <-e.Consumer():
				switch request := rpc.Command.(type) {
				case *raft.RequestVoteRequest:
					rpc.Respond(&raft.RequestVoteResponse{Term: request.Term, Granted: true}, nil)
				case *raft.RequestPreVoteRequest:
					rpc.Respond(&raft.RequestPreVoteResponse{Term: request.Term, Granted: true}, nil)
				case *raft.AppendEntriesRequest:
					rpc.Respond(&raft.AppendEntriesResponse{Term: request.Term, Success: true}, nil)
				case *raft.TimeoutNowRequest:
					rpc.Respond(&raft.TimeoutNowResponse{}, nil)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
}

func ask(w *wire, command any) raft.RPCResponse {
	answers := make(chan raft.RPCResponse, 1)
	w.consumer <- raft.RPC{Command: command, RespChan: answers}
	return <-answers
}

func granted(t *testing.T, answer raft.RPCResponse) bool {
	t.Helper()
	require.NoError(t, answer.Error)
	switch response := answer.Response.(type) {
	case *raft.RequestVoteResponse:
		return response.Granted
	case *raft.RequestPreVoteResponse:
		return response.Granted
	}
	t.Fatalf("answer %T", answer.Response)
	return false
}

func heartbeat(w *wire, term, number uint64, marked bool) error {
	return ask(w, stamp{marked: marked, number: number}.on(&raft.AppendEntriesRequest{Term: term})).Error
}

func TestNoVoteIsGivenForATimeoutAfterAnAnsweredHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		e := newEndpoint(t, w, false, "n1", "n2", "n3")
		engine(t, e)
		require.NoError(t, heartbeat(w, 5, 1, false))
		time.Sleep(timeout - time.Nanosecond)
		require.False(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6})))
		require.False(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6, LeadershipTransfer: true})), "nobody hands leadership on")
		require.False(t, granted(t, ask(w, &raft.RequestPreVoteRequest{Term: 6})))
		require.Error(t, e.RequestVote("n2", "n2", &raft.RequestVoteRequest{Term: 6}, nil), "nor does it stand itself")
		require.Empty(t, w.asked)
		time.Sleep(time.Nanosecond)
		require.True(t, granted(t, ask(w, &raft.RequestPreVoteRequest{Term: 6})))
		require.True(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6})))
	})
}

func TestNoVoteIsGivenForATimeoutAfterAStartWithData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		e := newEndpoint(t, w, true, "n1", "n2", "n3")
		engine(t, e)
		require.False(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6})))
		require.False(t, granted(t, ask(w, &raft.RequestPreVoteRequest{Term: 6})))
		time.Sleep(timeout)
		require.True(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6})))
	})
}

func TestAVoteIsWithheldForAsLongAsTheLeaderAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beat *raft.AppendEntriesRequest
		leader := open(t, &wire{answer: func(_ raft.ServerID, request *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
			beat = request
			return nil, errors.New("lost")
		}}, Options{Self: "n2", ElectionTimeout: 3 * timeout})
		require.Error(t, beatTo(leader, "n1"))

		var remembered []time.Duration
		w := &wire{}
		e := open(t, w, Options{Self: "n1", ElectionTimeout: timeout, Remember: func(promise time.Duration) error {
			remembered = append(remembered, promise)
			return nil
		}})
		engine(t, e)
		require.NoError(t, ask(w, beat).Error)
		require.Equal(t, []time.Duration{3 * timeout}, remembered)
		time.Sleep(3*timeout - time.Nanosecond)
		require.False(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6})))
		time.Sleep(time.Nanosecond)
		require.True(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6})))
	})
}

func TestAPromiseThatCannotBeRememberedIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk is full")
		w := &wire{}
		e := open(t, w, Options{Self: "n1", ElectionTimeout: timeout, Remember: func(time.Duration) error { return full }})
		engine(t, e)
		require.ErrorIs(t, heartbeat(w, 5, 1, false), full)
		require.True(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6})))
	})
}

func TestAStampThatAsksForTooMuchIsBounded(t *testing.T) {
	read := readStamp(stamp{promise: 1000 * time.Hour}.on(&raft.AppendEntriesRequest{}))
	require.Equal(t, LongestPromise, read.promise)
	require.Zero(t, readStamp(&raft.AppendEntriesRequest{Leader: []byte("another engine's")})) //nolint:staticcheck // see on
}

func TestNoHeartbeatIsAnsweredWhileAVoteIsGivenNorAfterOneForALaterTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		e := newEndpoint(t, w, false, "n1", "n2", "n3")
		engine(t, e)
		// The engine is asked by this test, so that the vote stays open.
		answers := make(chan raft.RPCResponse, 1)
		require.True(t, e.voter.beginVote(false))
		require.ErrorIs(t, heartbeat(w, 5, 1, false), errVoting)
		e.voter.endVote(0)
		require.NoError(t, heartbeat(w, 5, 2, false), "the vote was refused")
		time.Sleep(timeout)
		w.consumer <- raft.RPC{Command: &raft.RequestVoteRequest{Term: 6}, RespChan: answers}
		require.True(t, granted(t, <-answers))
		synctest.Wait()
		require.ErrorIs(t, heartbeat(w, 5, 3, false), errVoting)
		require.NoError(t, heartbeat(w, 6, 1, false))
		time.Sleep(timeout)
		require.ErrorIs(t, e.RequestVote("n2", "n2", &raft.RequestVoteRequest{Term: 6}, nil), errVoting, "the vote of this term is given")
	})
}

func entriesAfter(prev, count uint64) []*raft.Log {
	var entries []*raft.Log
	for i := range count {
		entries = append(entries, &raft.Log{Index: prev + i + 1})
	}
	return entries
}

func TestEntriesWithAGapAreRefused(t *testing.T) {
	w := &wire{}
	newEndpoint(t, w, false, "n1", "n2")
	answer := ask(w, &raft.AppendEntriesRequest{Term: 5, PrevLogEntry: 10, Entries: entriesAfter(11, 1)})
	require.ErrorContains(t, answer.Error, "entry 12 was sent where entry 11 was expected")
}

func TestAHeartbeatGoesPastTheQueueOnlyToAFollowerOfItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steady := true
		w := &wire{consumer: make(chan raft.RPC)}
		e := New(w, Options{Self: "n1", ElectionTimeout: timeout, Voters: func() []raft.ServerID { return nil }, Steady: func(term uint64) bool { return steady && term == 5 }})
		beside := 0
		e.SetHeartbeatHandler(func(rpc raft.RPC) {
			beside++
			rpc.Respond(&raft.AppendEntriesResponse{Term: 5, Success: true}, nil)
		})
		engine(t, e)
		send := func(term uint64) {
			answers := make(chan raft.RPCResponse, 1)
			w.handle(raft.RPC{Command: stamp{number: 1}.on(&raft.AppendEntriesRequest{Term: term}), RespChan: answers})
			require.NoError(t, (<-answers).Error)
		}
		send(5)
		require.Equal(t, 1, beside)
		send(6)
		steady = false
		send(5)
		require.Equal(t, 1, beside, "the others waited for their turn")
		require.True(t, e.voter.withholds(false))
		require.NoError(t, e.Close())
	})
}

func TestTheEngineBecomesNoCandidateWhileAHeartbeatIsAnsweredBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{consumer: make(chan raft.RPC)}
		e := New(w, Options{Self: "n1", ElectionTimeout: timeout, Voters: func() []raft.ServerID { return nil }, Steady: func(uint64) bool { return true }})
		inside, leave := make(chan struct{}), make(chan struct{})
		e.SetHeartbeatHandler(func(rpc raft.RPC) {
			close(inside)
			<-leave
			rpc.Respond(&raft.AppendEntriesResponse{Term: 5, Success: true}, nil)
		})
		go w.handle(raft.RPC{Command: &raft.AppendEntriesRequest{Term: 5}, RespChan: make(chan raft.RPCResponse, 1)})
		<-inside
		var left bool
		go func() {
			left = true
			close(leave)
		}()
		e.BecomesCandidate()
		require.True(t, left)
		require.NoError(t, e.Close())
	})
}

func TestAFollowerCommitsNoMoreThanItHasCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		e := newEndpoint(t, w, false, "n1", "n2")
		for _, test := range []struct{ prev, entries, commit, committed uint64 }{
			{10, 0, 12, 10}, {10, 1, 12, 11}, {10, 2, 12, 12}, {10, 3, 12, 12}, {10, 0, 9, 9},
		} {
			request := &raft.AppendEntriesRequest{Term: 5, PrevLogEntry: test.prev, PrevLogTerm: 5, LeaderCommitIndex: test.commit, Entries: entriesAfter(test.prev, test.entries)}
			go func() { w.consumer <- raft.RPC{Command: request} }()
			passed, ok := (<-e.Consumer()).Command.(*raft.AppendEntriesRequest)
			require.True(t, ok)
			require.Equal(t, test.committed, passed.LeaderCommitIndex)
			require.Equal(t, test.commit, request.LeaderCommitIndex, "what the transport has is not changed")
		}
	})
}

func TestACandidateAnswersNoHeartbeatOfAnEarlierTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		e := newEndpoint(t, w, false, "n1", "n2", "n3")
		engine(t, e)
		require.NoError(t, e.RequestVote("n2", "n2", &raft.RequestVoteRequest{Term: 6}, nil))
		require.ErrorIs(t, heartbeat(w, 5, 1, false), errVoting)
		require.NoError(t, e.RequestVote("n3", "n3", &raft.RequestVoteRequest{Term: 6}, nil))
		require.Len(t, w.asked, 2)
	})
}

func TestAMarkLiftsThePromiseAndTheNextHeartbeatWithoutOneRestoresIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		e := newEndpoint(t, w, false, "n1", "n2", "n3")
		engine(t, e)
		require.NoError(t, heartbeat(w, 5, 1, false))
		require.NoError(t, heartbeat(w, 5, 2, true))
		require.False(t, e.voter.withholds(true))
		require.True(t, e.voter.withholds(false), "for transfers alone")
		require.NoError(t, heartbeat(w, 5, 1, false), "one that was overtaken changes nothing")
		require.False(t, e.voter.withholds(true))
		require.NoError(t, heartbeat(w, 5, 3, false))
		require.True(t, e.voter.withholds(true))
		require.NoError(t, heartbeat(w, 5, 2, true), "nor does a late mark")
		require.True(t, e.voter.withholds(true))
	})
}

func TestHandingOnGivesTheLeaseUpUntilHeartbeatsSentAfterItsEndAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var marks []bool
		w := &wire{answer: func(_ raft.ServerID, request *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
			marked := readStamp(request).marked
			marks = append(marks, marked)
			return &raft.AppendEntriesResponse{Term: 5, Success: true, LastLog: 9}, nil
		}}
		e := newEndpoint(t, w, false, "n1", "n2", "n3")
		require.NoError(t, beatTo(e, "n2"))
		require.True(t, e.Leading(5))
		catchUp(t, e, "n3")
		target, release, err := e.HandOn(t.Context(), handover("", func() { require.NoError(t, beatTo(e, "n3")) }))
		require.NoError(t, err)
		require.Equal(t, raft.ServerID("n3"), target)
		require.False(t, e.Leading(5))
		require.NoError(t, beatTo(e, "n2"))
		require.False(t, e.Leading(5), "marked heartbeats make no lease")
		release()
		release()
		require.False(t, e.Leading(5))
		require.NoError(t, beatTo(e, "n2"))
		require.True(t, e.Leading(5))
		require.Equal(t, []bool{false, true, true, false}, marks)
	})
}

func TestHeartbeatsFromBeforeTheEndOfATransferMakeNoLease(t *testing.T) {
	for name, marked := range map[string]bool{"sent before it began": false, "sent meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := make(chan struct{})
				w := &wire{answer: func(id raft.ServerID, _ *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
					if id == "n2" {
						<-answer
					}
					return &raft.AppendEntriesResponse{Term: 5, Success: true, LastLog: 9}, nil
				}}
				e := newEndpoint(t, w, false, "n1", "n2", "n3")
				require.NoError(t, beatTo(e, "n3"))
				var slow sync.WaitGroup
				begin := func() {
					slow.Go(func() { _ = beatTo(e, "n2") })
					synctest.Wait()
				}
				if !marked {
					begin()
				}
				catchUp(t, e, "n3")
				_, release, err := e.HandOn(t.Context(), handover("", func() { require.NoError(t, beatTo(e, "n3")) }))
				require.NoError(t, err)
				if marked {
					begin()
				}
				release()
				close(answer)
				slow.Wait()
				require.False(t, e.Leading(5), "the voter may have given its promise up since")
			})
		})
	}
}

// handover is one of term 5 by a leader whose log ends with entry 9.
func handover(to raft.ServerID, beat func()) Handover {
	return Handover{
		Term: 5, To: to, Beat: beat, Begin: func() {},
		Last: func() uint64 { return 9 },
		Lost: func() bool { return false },
	}
}

func TestLeadershipIsHandedOnlyToAVoterThatAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, &wire{answer: granting(5)}, false, "n1", "n2", "n3")
		require.NoError(t, beatTo(e, "n3"))
		catchUp(t, e, "n2")
		catchUp(t, e, "n3")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := e.HandOn(ctx, handover("n2", func() { require.NoError(t, beatTo(e, "n3")) }))
		require.ErrorIs(t, err, ErrNoTarget)
		require.NoError(t, beatTo(e, "n3"))
		require.True(t, e.Leading(5), "the lease comes back")
	})
}

func TestLeadershipIsHandedOnlyToAVoterWithTheWholeLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late atomic.Bool
		e := newEndpoint(t, &wire{answer: func(id raft.ServerID, _ *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
			last := uint64(9)
			if id == "n3" && !late.Load() {
				last = 8
			}
			return &raft.AppendEntriesResponse{Term: 5, Success: true, LastLog: last}, nil
		}}, false, "n1", "n2", "n3", "n4")
		all := func() {
			for _, id := range []raft.ServerID{"n2", "n4", "n3"} {
				require.NoError(t, beatTo(e, id))
			}
		}
		all()
		catchUp(t, e, "n2")
		catchUp(t, e, "n3") // the newest answer, and an entry behind
		target, release, err := e.HandOn(t.Context(), handover("", all))
		require.NoError(t, err)
		release()
		require.EqualValues(t, "n2", target, "n4 has another log that is as long")

		avoiding := handover("", all)
		avoiding.Avoid = []raft.ServerID{"n2"}
		late.Store(true)
		target, release, err = e.HandOn(t.Context(), avoiding)
		require.NoError(t, err)
		release()
		require.EqualValues(t, "n3", target)
		avoiding.Avoid = append(avoiding.Avoid, "n3")
		target, release, err = e.HandOn(t.Context(), avoiding)
		require.NoError(t, err)
		release()
		require.NotEmpty(t, target, "there is nobody else")
		late.Store(false)

		time.AfterFunc(500*time.Millisecond, func() { late.Store(true) })
		target, release, err = e.HandOn(t.Context(), handover("n3", all))
		require.NoError(t, err)
		release()
		require.EqualValues(t, "n3", target, "it was waited for")
	})
}

func TestTheLeaseIsNotGivenUpBeforeThereIsATarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, &wire{answer: granting(5)}, false, "n1", "n2", "n3")
		require.NoError(t, beatTo(e, "n2"))
		ctx, cancel := context.WithTimeout(t.Context(), timeout/2)
		defer cancel()
		began := false
		h := handover("", func() { t.Error("nobody has the log") })
		h.Begin = func() { began = true }
		_, _, err := e.HandOn(ctx, h)
		require.ErrorIs(t, err, ErrNoTarget)
		require.False(t, began)
		require.True(t, e.Leading(5))
	})
}

func TestNothingIsHandedOnOnceLeadershipIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, &wire{answer: granting(5)}, false, "n1", "n2", "n3")
		h := handover("", func() {})
		h.Lost = func() bool { return true }
		_, _, err := e.HandOn(t.Context(), h)
		require.ErrorIs(t, err, ErrLost)
	})
}

func TestScreenedRequestsDoNotReachTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{consumer: make(chan raft.RPC)}
		e := New(w, Options{Self: "n1", ElectionTimeout: timeout, Voters: func() []raft.ServerID { return nil }, Screen: func(rpc raft.RPC, _ Ask) bool {
			rpc.Respond(nil, errors.New("screened"))
			return true
		}})
		require.ErrorContains(t, ask(w, &raft.InstallSnapshotRequest{}).Error, "screened")
		require.NoError(t, e.Close())
	})
}

func TestAskingWhoLeadsDoesNotAllocate(t *testing.T) {
	e := newEndpoint(t, &wire{answer: granting(5)}, false, "n1", "n2", "n3")
	require.NoError(t, beatTo(e, "n2"))
	require.Zero(t, testing.AllocsPerRun(100, func() { e.Leading(5) }))
}

// pipe is a pipeline that nothing is sent through.
type pipe struct{ raft.AppendPipeline }

func (pipe) Close() error { return nil }

func (w *wire) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	if opening := w.opening; opening != nil {
		<-opening
	}
	if w.noPipelines {
		return nil, raft.ErrPipelineReplicationNotSupported
	}
	return pipe{}, nil
}

func TestAMemberHasAllEntriesWhereThereAreNoPipelinesToo(t *testing.T) {
	e := newEndpoint(t, &wire{answer: granting(5), noPipelines: true}, false, "n1", "n2")
	require.NoError(t, beatTo(e, "n2"))
	synced, _ := e.Synced("n2", 0)
	require.False(t, synced)
	_, err := e.AppendEntriesPipeline("n2", "n2")
	require.ErrorIs(t, err, raft.ErrPipelineReplicationNotSupported)
	synced, _ = e.Synced("n2", 0)
	require.True(t, synced)
}

// catchUp has the engine say that a member has all entries.
func catchUp(t *testing.T, e *Endpoint, id raft.ServerID) {
	t.Helper()
	_, err := e.AppendEntriesPipeline(id, raft.ServerAddress(id))
	require.NoError(t, err)
}

func TestTheLateEndOfAnEarlierPipelineIsNotThatOfTheNewest(t *testing.T) {
	e := newEndpoint(t, &wire{answer: granting(5)}, false, "n1", "n2")
	earlier, err := e.AppendEntriesPipeline("n2", "n2")
	require.NoError(t, err)
	e.leader.enter(5) // which is when the engine begins anew
	newest, err := e.AppendEntriesPipeline("n2", "n2")
	require.NoError(t, err)
	question := e.Question()
	require.NoError(t, beatTo(e, "n2"))
	require.NoError(t, earlier.Close())
	synced, _ := e.Synced("n2", question)
	require.True(t, synced, "the newest is open")
	require.NoError(t, newest.Close())
	synced, _ = e.Synced("n2", question)
	require.False(t, synced)
}

// A request may be under way for longer than the process lives that it was sent to.
func TestAMarkFromBeforeAStartDoesNotLiftWhatWasPromisedBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		first := newEndpoint(t, w, false, "n1", "n2", "n3")
		engine(t, first)
		require.NoError(t, heartbeat(w, 5, 12, false), "the leader has changed its mind")

		again := &wire{}
		engine(t, newEndpoint(t, again, true, "n1", "n2", "n3"))
		require.NoError(t, heartbeat(again, 5, 10, true))
		require.False(t, granted(t, ask(again, &raft.RequestVoteRequest{Term: 6, LeadershipTransfer: true})))
		time.Sleep(timeout)
		require.True(t, granted(t, ask(again, &raft.RequestVoteRequest{Term: 6, LeadershipTransfer: true})))
	})
}

func TestWhoIsToldToStandTooLateGoesOnFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		engine(t, newEndpoint(t, w, false, "n1", "n2", "n3"))
		require.NoError(t, heartbeat(w, 5, 1, false))
		require.ErrorIs(t, ask(w, &raft.TimeoutNowRequest{}).Error, errNotToStand)
		require.NoError(t, heartbeat(w, 5, 2, true))
		require.NoError(t, ask(w, &raft.TimeoutNowRequest{}).Error)
		require.NoError(t, heartbeat(w, 5, 3, false))
		require.ErrorIs(t, ask(w, &raft.TimeoutNowRequest{}).Error, errNotToStand, "the leader leads on")
		require.NoError(t, heartbeat(w, 5, 4, true))
		require.True(t, granted(t, ask(w, &raft.RequestVoteRequest{Term: 6, LeadershipTransfer: true})))
		synctest.Wait()
		require.ErrorIs(t, ask(w, &raft.TimeoutNowRequest{}).Error, errNotToStand, "another one was elected meanwhile")
	})
}

func TestAPipelineOfAnEarlierLeadershipThatOpensLateIsNotTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: granting(7)}
		e := newEndpoint(t, w, false, "n1", "n2", "n3")
		enter := func(term uint64) {
			w.answer = granting(term)
			require.NoError(t, e.AppendEntries("n2", "n2", &raft.AppendEntriesRequest{Term: term, PrevLogEntry: 1}, &raft.AppendEntriesResponse{}))
		}
		enter(5)
		opening := make(chan struct{})
		w.opening = opening
		opened := make(chan raft.AppendPipeline)
		go func() {
			p, err := e.AppendEntriesPipeline("n2", "n2")
			assert.NoError(t, err)
			opened <- p
		}()
		synctest.Wait()
		enter(7)
		w.opening = nil
		_, err := e.AppendEntriesPipeline("n2", "n2")
		require.NoError(t, err)
		close(opening)
		require.NoError(t, (<-opened).Close())
		require.NoError(t, e.AppendEntries("n2", "n2", &raft.AppendEntriesRequest{Term: 7}, &raft.AppendEntriesResponse{}))
		synced, _ := e.Synced("n2", 0)
		require.True(t, synced)
	})
}
