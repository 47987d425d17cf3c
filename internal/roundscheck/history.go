package roundscheck

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed-6dc909bb/s3lect/rounds"
)

// Operation is what a candidate, or anybody who looks, asks for.
type Operation int

// The operations on a round.
const (
	Elect Operation = iota
	Elected
	Complete
	Completed
)

func (o Operation) String() string {
	return [...]string{"elect", "elected", "complete", "completed"}[o]
}

// Answer is what came of a call.
type Answer int

// The answers. Told is that of Elected and Completed, whatever they tell.
const (
	Unknown          Answer = iota // an error, or nothing was heard
	Won                            // of Elect: the candidate is the elected one
	Lost                           // of Elect: somebody else is
	Recorded                       // of Complete
	NotElected                     // of Complete: the candidate may not
	AlreadyCompleted               // of Complete: somebody else has
	Refused                        // of Complete: one of the two, without saying which
	Told
)

func (a Answer) String() string {
	return [...]string{"unknown", "won", "lost", "recorded", "not elected", "already completed", "refused", "told"}[a]
}

// Seen is whom an answer shows: nobody, if both are empty.
type Seen struct {
	ID, Address string
	// AddressOnly says that an ID would not have been shown.
	AddressOnly bool
}

// nobody has neither won nor completed.
var nobody rounds.Candidate

func (s Seen) is(c rounds.Candidate) bool {
	return s.Address == c.Address && (s.AddressOnly || s.ID == c.ID)
}

func (s Seen) String() string {
	if s.AddressOnly {
		return "?@" + s.Address
	}
	return describe(rounds.Candidate{ID: s.ID, Address: s.Address})
}

func describe(c rounds.Candidate) string {
	switch {
	case c == nobody:
		return "nobody"
	case c.ID == "":
		return c.Address
	}
	return c.ID + "@" + c.Address
}

// Output is an answer and what it shows of the round. What it does not show is nil.
type Output struct {
	Answer             Answer
	Elected, Completed *Seen
	Version            *int64
}

func (o Output) String() string {
	s := o.Answer.String()
	if o.Elected != nil {
		s += ", elected " + o.Elected.String()
	}
	if o.Completed != nil {
		s += ", completed " + o.Completed.String()
	}
	if o.Version != nil {
		s += fmt.Sprintf(", version %d", *o.Version)
	}
	return s
}

// A History is calls and their answers, of any number of rounds. Its methods are safe for
// concurrent use.
type History struct {
	mu    sync.Mutex
	moves int64 // beginnings and ends so far; their order is all that counts
	calls []*Call
}

// Call is one call in a history.
type Call struct {
	history   *History
	number    int
	client    int
	round     string
	operation Operation
	by        rounds.Candidate
	began     int64
	ended     int64 // 0 as long as it has not
	output    Output
}

// Begin notes that a client calls, right before it does. Clients are numbered from 0, and by is
// without meaning for Elected and Completed. A call that is never ended has an unknown outcome.
func (h *History) Begin(client int, round string, operation Operation, by rounds.Candidate) *Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moves++
	c := &Call{history: h, number: len(h.calls), client: client, round: round, operation: operation, by: by, began: h.moves}
	h.calls = append(h.calls, c)
	return c
}

// End notes the answer, right after it has come.
func (c *Call) End(output Output) {
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	c.history.moves++
	c.ended, c.output = c.history.moves, output
}

func (c *Call) String() string {
	by, ended, output := "", "", Output{}.String()
	if c.operation == Elect || c.operation == Complete {
		by = " by " + describe(c.by)
	}
	if c.ended > 0 {
		ended, output = fmt.Sprint(c.ended), c.output.String()
	}
	return fmt.Sprintf("#%d [%d, %s] client %d: %v%s -> %s", c.number, c.began, ended, c.client, c.operation, by, output)
}

// Len is the number of calls.
func (h *History) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.calls)
}

// byRound returns copies of all calls as they stand now, in the order in which they began.
func (h *History) byRound() map[string][]Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := map[string][]Call{}
	for _, c := range h.calls {
		calls[c.round] = append(calls[c.round], *c)
	}
	return calls
}

// Winners are the identities that were told of a round that they have won it. Each anonymous call
// that was told so is an identity of its own, for they cannot be told apart.
func (h *History) Winners() map[string][]string {
	winners := map[string][]string{}
	for round, calls := range h.byRound() {
		for _, c := range calls {
			if c.operation != Elect || c.output.Answer != Won {
				continue
			}
			who := "ID " + c.by.ID
			if c.by.ID == "" {
				who = fmt.Sprintf("call #%d from %s", c.number, c.by.Address)
			}
			if !slices.Contains(winners[round], who) {
				winners[round] = append(winners[round], who)
			}
		}
	}
	return winners
}

// list shows calls to people.
func list(calls []Call) string {
	var b strings.Builder
	for i := range calls {
		fmt.Fprintln(&b, " ", &calls[i])
	}
	return b.String()
}
