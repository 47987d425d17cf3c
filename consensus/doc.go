// Package consensus replicates a state machine over several nodes with the Raft protocol.
//
// A [Node] is one member. It is made from options and started, and the machine it drives is the program's own:
//
//	node, err := consensus.New(
//		consensus.WithNodeID("n1"),
//		consensus.WithBindAddress("10.0.0.1", 7000),
//		consensus.WithPeers(peers), // the same list on every node
//		consensus.WithDataDir("/var/lib/jobs"),
//		consensus.WithStateMachine(machine),
//	)
//	...
//	err = node.Start(ctx)
//	_, err = node.WaitForLeader(ctx)
//
// The leader takes commands ([Node.Apply]): when it answers, a majority has the command on stable storage and this node's
// machine has applied it. [Node.Read] asks the machine such that the answer contains everything acknowledged before.
// Elsewhere both give a [*NotLeaderError] that says who leads. An error that is [ErrUnknownOutcome] means that a command may
// have been applied or may yet be; every other error of Apply means that it never will be, except a [*MachineError], which is what
// the machine has answered.
//
// [Node.IsLeader] is true on at most one node at any instant, provided that clocks run within 5 % of true time over an
// election time-out. A process can be stopped between asking and acting:
// what must not happen late is bound to a term, see [Command].
//
// A node whose storage fails, or whose machine panics, stops; [Node.Done] and [Node.Err] tell. [IsRetryable] and [IsFatal] sort
// errors for those who only want to know what to do.
package consensus
