// Package sim is the judge of the consensus module: whole clusters in fake time, on networks and disks where everything goes
// wrong that may go wrong.
//
// The nodes are real. Three to five voters, sometimes members without a vote and spare nodes, run in a bubble of
// testing/synctest on a network, with disks and with key-value machines of the simulation's own. Messages are late, lost,
// or had their effect without an answer; ways are cut in one direction or both; nodes crash in the middle of a write, are
// frozen, stopped and started again; disks are slow, or fail; members come and go, leadership is handed over, snapshots are
// taken and restored all the while. Clients read, write, compare and swap at whatever node they are pointed to, and give
// up.
//
// Every decision of the simulation comes from streams of random numbers that are derived from the seed. The Raft engine
// draws its own times from a source that nobody can seed, so that a seed is a kind of trouble and not a script: a failing one
// may have to be run a few times (-count=20). A failing run therefore leaves its whole story and the history of its
// operations in a directory that it names, and the history can be checked again:
//
//	go test ./internal/sim -run TestMixedFaults -v -args -sim.weather=mixed -sim.seed=N
//	go test ./internal/sim -run TestMixedFaults -args -sim.seeds=1000 -sim.start=1
//	go test ./internal/sim -run TestEachFaultAlone -args -sim.each=20
//	go test ./internal/sim -run TestMutantsAreCaught -args -sim.mutants
//	go test ./internal/sim -run TestHistoryOfFile -args -sim.history=FILE
//
// # What is judged
//
//   - order: there is an order of all operations on a key that explains all answers (the checker is porcupine). What failed for
//     certain has not happened; what is unknown may have happened at any time since, or never.
//   - two-leaders: at most one node says IsLeader at any instant. All nodes are asked every 10 ms and after each message.
//     term-shared: nobody leads a term that another node has led.
//   - lost: what was acknowledged is applied, at the index and term that were answered. twice: and only once.
//   - failed-but-done: what failed for certain is applied nowhere. wrong-term: what was bound to a term is applied in no other.
//   - diverged, backwards: all machines apply the same entries in the same order, through restarts and snapshots; every
//     entry is hashed with all before it. machines-differ: after the trouble all members' machines become equal.
//   - no-recovery: after the trouble there is a leader, and a write succeeds, within a bound.
//   - stats, info, hint, callback: counters only grow and fit together; members are listed in order, with at most one leader;
//     hints lead to where the leader's ID says it is.
//   - late, error: a call ends when its context does, with an error that the package knows.
//   - died, stop, start: no node ends by itself unless its disk is bad or it was removed; every node ends when it is told
//     to and leaves no goroutine; every node starts again from what its disk has kept.
//
// # What is not simulated
//
// Clocks that run at different rates, since a bubble has one clock: that the lease is shorter than what the voters wait is for the
// tests of the lease. A frozen process: a frozen node is one that hears, says and writes nothing. A disk that returns wrong
// bytes, which is for the tests of the stores.
package sim
