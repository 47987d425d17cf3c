// Package arena is where contenders meet: a handful of processes, one linearizable store, and what can go
// wrong between them. In a bubble of testing/synctest all of it happens in fake time.
//
// A [Node] is one process and the machine it runs on. A contender gets from it what its library asks for: a
// client of S3, a connection to Redis, clocks, a way to its peers. Every request passes the node's border,
// where it is counted, delayed, and now and then lost, held, or carried out too late: the same for every
// contender. A [Fault] makes such trouble, and the [Referee] looks who leads.
//
// What the processes themselves do runs undisturbed: libraries that read the machine's clock read the
// bubble's. A frozen process is therefore one whose requests do not leave and whose answers do not
// arrive. It is asked whether it leads when it wakes up, before it hears anything. Its timers have gone on meanwhile, which
// favours libraries that rely on them: those of a process that really stands still fire late.
//
// Where a fault needs the clock of a process and its library has no place to put one in, the fault is
// applied to what the library compares with its clock (see the contenders), or the table has no figure.
package arena
