// Package election elects a leader among peers that have nothing but each other: no storage to share, no third party.
//
//	e, err := election.New(election.Config{
//		Node:        election.Node{ID: "a"},
//		Peers:       fleet, // the same list on every node
//		VotesFile:   "/var/lib/myservice/votes",
//		EnterLeader: func(ctx context.Context, t election.Transition) error { go work(ctx, t.Term); return nil },
//	})
//	...
//	err = e.Run(ctx)
//
// A majority of the nodes with a vote must be up for there to be a leader, and the members are fixed by configuration. Where there
// is a storage to share, the root module of this repository elects on it and needs neither; where a log is to be replicated as
// well, package consensus does that. docs/election.md, beside this package, compares them.
//
// # What is promised
//
//   - A term is led by one node at most, terms only grow: [Transition.Term] is a fencing token. This needs votes that survive
//     (VotesFile) and nothing of the clocks.
//   - No two nodes see IsLeader() == true at the same time, if besides every clock runs within 5 % of true time. A node that was frozen
//     sees false at its first look.
//   - A node that is frozen, slow or cut off disturbs nobody: the others keep their leader, and it does not depose it when it
//     returns.
//   - The election never waits for a callback, and not for whoever reads Errors.
//
// What ignores the context of EnterLeader and carries no term can always act too late; no election can prevent that.
//
// # Why it is safe
//
// The engine is hashicorp/raft, with pre-votes. Two leaders of one term would need the votes of two majorities, hence two
// votes of one node in one term. A node keeps the current term and its vote in its votes file, on stable storage, before it tells anybody.
// After a write that failed it grants none any more, and Run ends.
//
// The log is not kept. In Raft it makes sure that what was committed survives, and it carries the members. Here nothing is
// committed that anybody asks for: the log has one entry without contents for each leader. And the members are not changed through
// it: it begins with them on every node, from the configuration. A node that is restarted has the shortest log and grants its
// vote to whoever has a longer one; the longest of a majority can always be elected, so that no restart leaves a fleet without
// a leader for good.
//
// Majorities have a node in common only if all nodes mean the same members. A digest of the members, the generation and the
// election time-out is therefore compared whenever two nodes connect. Nodes that differ refuse each other, and both report it
// in Errors. The votes file refuses to be used with other members as well.
//
// IsLeader rests on a lease: four fifths of ElectionTimeout, from when those heartbeats were sent that a majority has answered. Who
// has answered a heartbeat grants no vote for an ElectionTimeout. The engine sees to that as long as it runs. Because it
// forgets it when it is restarted, a node grants no votes in the first ElectionTimeout after its start, and if the time-out was longer
// when it last ran, waits that long.
//
// # Changing the members
//
// Raise [Config.Generation] by one together with the change, on every node. Terms of a later generation are above all terms of
// an earlier one, and nodes of two generations do not talk to each other.
//
//   - One voter more, less, or at another address: restart the nodes one by one. Any majority of the new members has a node in
//     common with any majority of the old ones, and no node is in both generations.
//   - More than that: stop all nodes first. Otherwise both generations can have a majority, and with it a leader, at once.
//
// The same way replaces votes that were lost or damaged: raise the generation, with the same members, on one node after the
// other. Never remove a votes file and go on with the same generation: the node could vote again in a term in which it has voted.
package election
