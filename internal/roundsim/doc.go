// Package roundsim is the judge of once-per-round elections: servers in fake time, on a storage on
// which everything goes wrong that may go wrong.
//
// The rounds are real. Several [rounds.Rounds] run in a bubble of testing/synctest, as several
// servers would, each on a way of its own ([link]: latency and faults) to one linearizable [store].
// Clients ask them, by name and anonymously, several behind one address and several by one name;
// they give up, ask again, ask elsewhere. Servers are cut off, and replaced by others that remember
// nothing. Every decision comes from streams of random numbers that are derived from the seed, so
// that a failing seed replays with its log:
//
//	go test ./internal/roundsim -run TestMixedRounds -v -args -rounds.seed=N
//
// Things that happen in one instant, such as the first calls of all clients, do so in an order that is
// in nobody's hands, and where two of them end a wait it may end by either. No decision is drawn from
// a stream that they share, so that hardly anything depends on it: the log shows other lines first,
// claims that are random whatever the seed, and the same story. Should a failing seed pass, it has to
// be run a few times (-count=10).
//
// # What is judged
//
//   - At most one identity is ever told that it has won a round; without an identity, one call.
//   - There is an order of all calls that explains all answers, and all they show (roundscheck).
//   - A candidate with an ID whose claim has landed is told that it has won when it asks, whatever its
//     earlier requests have ended with. Of the anonymous ones behind one address, the server through
//     which their claim has landed tells one: it tells the last of them under way that somebody else has
//     won only if one of them has been told already.
//   - On the storage, who was elected and who has completed never changes and never vanishes, the
//     version counts the two, and an object that is no round's is never replaced.
//   - An outcome that cannot be told is ErrUndecided, and nothing else is an error.
//   - A call ends when its context does, even if the storage does not heed it, within a minute in any case, and makes 20 requests at most.
//   - Once the faults have ended, every call gets an answer, at once.
//
// # What is excused
//
//   - The storage may show an old version as long as no write of a newer one has been confirmed; that
//     somebody has not been elected, or has not completed, is not held against the call then.
//   - A torn read, bytes of one version with the ETag of another, needs a change during that read. So two
//     reads, one after the other, do not show the same wrong pair.
//   - A server that was replaced has forgotten whom it left without an answer.
package roundsim
