// Package roundscheck judges what candidates were told about rounds, with the linearizability
// checker porcupine: whether there is an order of all calls, each taking effect at one moment between
// its beginning and its end, in which every answer is right.
//
// A call whose outcome its caller never learned (an error, a lost reply, a server that was killed)
// may have taken effect at any moment after it began, however late, or never.
//
// The package exists for tests: those of the library in simulated time, and those of servers with
// real connections. A [History] takes the calls, and [History.Check] judges them.
package roundscheck
