// Package sim is the judge of the elector: a cluster in fake time, in which everything goes wrong
// that may go wrong, and some things that may not.
//
// The electors are real. Five of them run in a bubble of testing/synctest, each on a machine of its
// own ([host]: clocks that run at wrong rates, step and stand still; timers; freezing, suspension,
// death), on a way of its own ([link]: latency and faults) to one linearizable [store]. In peer
// mode they ask the leader over a [network]: at each address the real endpoint of whatever process
// is there now answers, and questions and answers get lost, late or garbled, or end with their
// connection. The [nemesis] makes trouble at random moments, the [weather] at every request, the
// [peerWeather] at every question. Where members observe, and need a quorum, a second nemesis kills,
// freezes and silences many of the [crowd] at once, which is fifty members now and then. Every decision
// comes from streams of random numbers that are derived from the seed, one per purpose ([dice]), so that
// a failing seed replays with its log:
//
//	go test ./internal/sim -run TestMixedSchedule -v -args -sim.seed=N
//
// Some seeds have an instant in which several things happen at once, in an order that is in nobody's
// hands. Such a seed has a few stories, and may have to be run a few times (-count=10).
//
// # What is judged
//
// The [monitor] looks at every commit, every change of leadership, every answer, every action, and
// on a tick of 100 ms. It holds the electors to this:
//
//   - At any instant at most one process sees IsLeader() == true, each by its own clock. Frozen and
//     suspended processes count.
//   - A leader's trust, and what it says remains of it, ends at sent + 0.9 × lease of its last write
//     that took effect, by its own clock, and at 0.9/0.95 of the lease in true time.
//   - Nobody claims a record before its holder's lease can have passed on the fastest clock allowed,
//     nor one that names another successor, nor within a lease of its own resignation.
//   - Terms grow by one with each leadership, on the storage and among leaders; the leader's Term is
//     that of the record it wrote.
//   - Hooks strictly alternate and never overlap with each other or with work.
//   - Contexts end when the leadership does, with a LeadershipEnd as their cause. While work runs
//     whose context has not ended, or that is within the time its LeadershipEnd promised, nobody
//     else leads. Nothing is released or claimed while work or a hook runs.
//   - An object that is no leader record is never replaced by an elector.
//   - Each write has a fresh nonce; a claim clears the successor; a resignation is not taken back.
//   - Term, Remaining, IsLeader, the status and Watch agree; WaitForLeadership never returns nil to
//     a non-leader.
//   - A leader's answer to a peer comes, at the moment in which it is written, from a process that
//     leads, and names a version that it wrote and that has landed: its time, number and ETag, and no
//     more of the trust than is left. After a graceful end a poll is answered when the resignation has
//     landed or can no longer land.
//   - A follower takes a peer's word only for the leadership that it read last, and for a version
//     newer than what it knows; otherwise nothing of what it says of the leader changes. It claims
//     only what a read has shown in that instant, reads at least once in three leases, and at once
//     when the connection to a leader that has been answering breaks. It asks at most four questions
//     in any FrequentInterval.
//   - No attempt lasts longer than a fifth of the lease; nobody makes more than 25 requests in any
//     second, or more than 2 a second over a whole run; Stop ends, and nothing is asked after it.
//   - With a quorum a leader goes on for the grace period after enough members were last active, and no
//     longer: active is who was heard of less than a lease ago, by a question with a verified
//     certificate that has arrived, or by a counter on the list that was read twice within a lease and
//     has grown; all by the leader's own clock. Where nothing delays the word of it, the same holds in
//     true time after the last heartbeat of the dead, with an interval between two heartbeats and a read
//     on top, and half a lease more in peer mode.
//   - Nobody claims without enough members, which a leader's word can vouch for during half a lease; and
//     after a leader that has gone for want of them, nobody who has not had enough for a lease without a
//     gap. A member that never leads does not claim, and ceases to lead when it becomes one.
//   - No leadership ends for want of members if enough of them had to be counted.
//   - A list of observers is replaced by one in which the writer has counted a heartbeat of its own, or
//     taken itself off, or others whose counters have stood still for ten leases; the rest stays as it
//     is. What is no list is never replaced. Nobody makes more than 20 requests to the list in any
//     second, or more than 2.5 a second over a whole run.
//   - Watch, the contexts, OnLoseLeadership and the record of the resignation agree on why a leadership
//     has ended. Everybody lists as active observers those who are there, once the trouble has ended
//     for long enough.
//   - When the trouble ends there is a leader within the bound, then for two leases exactly one, the
//     same, whom everybody names; and no goroutine is left. If so many members stay dead that nobody may
//     lead, nobody does.
//
// # What is excused
//
// The promise rests on assumptions, and where the simulation breaks one of them it says what still
// holds.
//
//   - The object is deleted only when every candidate was last shown a record of the present
//     leadership with its present lease, when no write that would create the object is under way,
//     and nobody is started until it exists again. Then safety and the growth of terms hold all the
//     same. A candidate that has never seen the object would rightly take it for a first election.
//   - A stranger's object is replaced by a fresh record, which invites the next leader, only after a
//     lease; by the bytes that were there before at any time. What repairs by hand must wait, too.
//   - A suspended machine has its wall clock alone to tell how long it has slept, so that one does
//     not step backwards within two leases of a suspension.
//   - A frozen process cannot be told that its lease is over, so its work counts again when it runs
//     again. After a suspension, or a step of the wall clock, an elector has a tenth of its lease to
//     notice, because timers count on the monotonic clock. IsLeader is right at once.
//   - A torn read needs a commit during that read; a read can be stale, but not both.
//   - Whether a process that was held in between, or has given a request up in this instant, takes an
//     answer in is not known; what it does of it is not judged then. Neither is the word of a peer in
//     the instant of an answer of the storage.
//   - A leader to whom a stale read shows a foreign record takes its leadership for lost, and answers
//     polls although its record still stands.
//   - A break that is heard of when the lease of the last version seen is over is followed by a read
//     after the random wait before a claim.
//   - A read of the list of observers that is torn by a stranger's own write shows the list, with the
//     ETag of what the stranger has put in its place, which the writer then replaces unseen. Likewise a
//     torn read can undo a heartbeat of another observer, until its next one.
//   - Where a stranger has taken the list of observers away, a live one may be taken off the next: its
//     counter has begun anew, and can come to the number that was seen long ago. Its next heartbeat
//     brings it back.
//   - In the moments after a change of the configuration it is not judged which one counts for a quorum.
//     After a change of the quorum, the lease or the names, members may have been enough for as long as
//     anybody likes; and for two leases after any change, a leadership that was there before may end for
//     want of members that were there.
//   - Two opposite steps of the wall clock before the elector has looked leave it leading: it was
//     one leadership all along.
package sim
