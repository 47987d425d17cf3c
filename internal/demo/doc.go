// Package demo shows an election to somebody who has never seen one: real processes on a temporary
// directory, faults done to whoever leads, and an audit of what the processes themselves believed.
//
// The parent (Run) starts members (RunMember) as child processes. A member gets commands on its
// standard input, one a line, and tells its state on its standard output, as JSON lines. The end of
// its input ends a member, so that none outlives the parent.
//
// # The audit
//
// Each member asks its own elector every two milliseconds, and at each change that Watch reports,
// whether it leads, and appends the answer with the time to a file of its own: every yes, and the
// noes next to a yes. The times come from a clock that all processes of the machine share
// (clockName). An answer counts at the moment the question was put; when clock readings before and
// after the question lie more than a millisecond apart, the process was interrupted in between, so
// that the moment is not known, and the question is put again at once.
//
// A belief is a run of yeses of one process and one term without a no in between. It lasts from the
// first to the last of them: what lies between two yeses counts as belief, however far they are
// apart, except when the process was frozen and thawed between them, for a frozen process believes
// nothing. Its first yes after the thaw begins a belief of its own. A single yes lasts a
// microsecond, so that it cannot hide.
//
// Two leaders there were wherever beliefs of two processes overlap. That is certain knowledge, and
// it decides the exit status. A leadership may in truth have begun up to one sample earlier and
// ended up to one sample later, and between a thaw and the first answer after it the process may
// have believed once more; the overlap that would give at the very worst is reported beside it.
package demo
