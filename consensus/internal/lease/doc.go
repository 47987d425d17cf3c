// Package lease adds to the Raft engine what it does not promise: that two nodes never believe at the same time that
// they lead. It wraps a node's end of the network.
//
// The leader counts, per voter, when the newest heartbeat was sent that the voter has answered. While a majority has answered
// heartbeats that are younger than the lease, which is nine tenths of the least election time-out T, it leads. Counting
// from the sending is what matters: an answer may be under way for long.
//
// That is worth something only if a voter that has answered a heartbeat helps to elect nobody else for T. The engine
// refuses votes while it knows a leader, but it forgets the leader when it restarts, it answers heartbeats in another
// goroutine than it gives votes, and a transfer of leadership is exempt. So the voter's side is here, too:
//
//   - A vote, a pre-vote and a candidacy of its own are withheld for T after each answered heartbeat, and after the
//     start of a node that has data.
//   - While a vote is being given no heartbeat is answered, and after it none of an earlier term. A heartbeat goes past the queue
//     of the other requests only while the engine follows the leader of its term.
//   - A leader that hands leadership on marks its heartbeats, which lifts the promise at those who answer them and which
//     count for no lease. It tells the target to stand for election once a majority has answered a marked heartbeat.
//     A target that is told late, when the leader has changed its mind, does not stand, and its votes would be withheld. No
//     mark lifts what was promised before the last start.
//
// Clocks may differ by 5 % in their rate over T: nothing else is assumed of them.
//
// The lease of a leader follows section 6.4.1 of Ongaro's dissertation ("Consensus: Bridging Theory and Practice",
// 2014); disregarding requests for votes within the least election time-out is its section 4.2.3.
package lease
