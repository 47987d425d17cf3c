package consensus

import (
	"io"
	"time"
)

// Command is what the state machines of all nodes are to apply.
type Command struct {
	// Type tells kinds of commands apart; at most 255 bytes.
	Type string `json:"type"`
	// Data is the state machine's alone.
	Data []byte `json:"data,omitempty"`
	// Term binds the command to a leadership: unless it is 0, the command is applied in that term or never, and
	// the error is then ErrStaleTerm. It is the fence for work that began as the leader of that term.
	Term uint64 `json:"term,omitempty"`
}

// LogEntry is a committed command.
type LogEntry struct {
	Index uint64 // position in the log; grows, with gaps
	Term  uint64 // of the leader that appended it
	Type  string
	Data  []byte // must not be changed: the node sends the same bytes to others
	// AppendedAt is the time on the clock of the leader that appended the entry: the same on every node, but two leaders'
	// clocks may disagree.
	AppendedAt time.Time
}

// StateMachine is what the log drives. Every node's machine gets the same entries in the same order and must
// come to the same state: no clock, no randomness, no map order.
//
// Apply, Snapshot and Restore are called one at a time. Query is called by many goroutines while Apply runs.
// A machine that panics stops its node.
type StateMachine interface {
	// Apply changes the state. An error is an answer like any other: the entry stays committed, and the caller
	// of [Node.Apply] gets it as a [*MachineError].
	Apply(entry LogEntry) error
	// Snapshot captures the state. It is called between two Applies and holds them up: capture fast, write later
	// in Snapshot.WriteTo.
	Snapshot() (*Snapshot, error)
	// Restore replaces the whole state by that of a snapshot. After an error the node stops.
	Restore(snapshot *Snapshot) error
	// Query answers a question without changing the state.
	Query(query any) (any, error)
}

// ResultMachine is implemented by machines that answer a command with more than an error; see [Node.ApplyResult].
type ResultMachine interface {
	StateMachine
	// ApplyResult is called instead of Apply.
	ApplyResult(entry LogEntry) (any, error)
}

// Result is what came of a command.
type Result struct {
	Index uint64 // of the entry in the log
	Term  uint64 // in which it was committed
	Value any    // what the machine answered, if it is a ResultMachine
}

// Snapshot is the state of a machine after the entry with the given index.
type Snapshot struct {
	// Index and Term are those of the last entry in the snapshot. The node sets them.
	Index, Term uint64
	// Data is the whole state, if it is small enough to be copied. Restore gets it where Snapshot gave it.
	Data []byte
	// WriteTo writes the state, if Data is nil. It runs while Apply goes on and must write what was true when
	// Snapshot returned.
	WriteTo func(w io.Writer) error
	// Release is called once the snapshot is not needed any more, written or not; may be nil.
	Release func()
	// Reader is, in Restore, the state as WriteTo or Data gave it. It is read once and is gone after Restore returns.
	Reader io.Reader
}
