// Package supervise runs a command that must not act beyond a deadline, and must not outlive the
// process that supervises it.
//
// The supervisor does not start the command itself. It starts a guard: a second instance of its
// own executable (see [GuardMain]), which leads a new process group and starts the command in it:
//
//	supervisor ──control──▶ guard (leads the group) ──▶ command ──▶ its own children
//	           ◀──report──
//
// The control pipe carries the deadline, again and again as it moves. The guard kills the whole
// group, itself included, when the deadline passes or when the pipe closes. So the group ends in
// time when the supervisor is stopped or slow, and ends at once when the supervisor is gone, even
// if it was killed. A guard that is itself killed takes the command with it: on Linux by the
// parent-death signal, everywhere by the supervisor, which sees the report pipe close.
//
// The guard also keeps the group's number: as long as the supervisor has not collected it, no
// other process can get that number, so a signal to the group never reaches a stranger.
//
// Out of reach are processes that leave the group on purpose (setsid, daemons) and those that run
// as another user. What such processes do has to be fenced with the term.
package supervise
