package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Outcome is what a client knows of its operation.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Failed  Outcome = "failed"  // for certain: it has not happened and never will
	Unknown Outcome = "unknown" // it may happen, now or later, or not
)

// Operation is what a client did.
type Operation struct {
	Client  int           `json:"client"`
	Number  int           `json:"number"`
	Kind    string        `json:"kind"` // read, set, delete, cas
	Key     string        `json:"key"`
	Value   string        `json:"value,omitempty"`
	Old     *string       `json:"old,omitempty"`
	Node    string        `json:"node"`
	Bound   uint64        `json:"bound,omitempty"`
	Call    int64         `json:"call"` // Call and Return are places in the order of all calls and returns
	Return  int64         `json:"return"`
	At      time.Duration `json:"at"`
	Until   time.Duration `json:"until"`
	Outcome Outcome       `json:"outcome"`
	Error   string        `json:"error,omitempty"`
	Index   uint64        `json:"index,omitempty"`
	Term    uint64        `json:"term,omitempty"`
	Found   bool          `json:"found,omitempty"` // Found and Saw are the value that was answered, Swapped is a cas's success
	Saw     string        `json:"saw,omitempty"`
	Swapped bool          `json:"swapped,omitempty"`
}

func (o *Operation) String() string {
	s := fmt.Sprintf("#%d %s %s at %s", o.Number, o.Kind, o.Key, o.Node)
	if o.Kind == "cas" {
		s += " from " + describe(o.Old != nil, deref(o.Old))
	}
	if o.Value != "" {
		s += " to " + o.Value
	}
	if o.Bound != 0 {
		s += fmt.Sprintf(" in term %d only", o.Bound)
	}
	s += ": " + string(o.Outcome)
	if o.Outcome == Done {
		s += " " + describe(o.Found, o.Saw)
		if o.Swapped {
			s += " swapped"
		}
		if o.Index != 0 {
			s += fmt.Sprintf(" index=%d term=%d", o.Index, o.Term)
		}
	}
	if o.Error != "" {
		s += " (" + o.Error + ")"
	}
	return s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func describe(found bool, value string) string {
	if !found {
		return "nothing"
	}
	return value
}

// history collects operations. Several goroutines may add to it.
type history struct {
	mu         sync.Mutex
	clock      int64
	operations []*Operation
}

// begin takes note that an operation is called, and numbers it.
func (h *history) begin(o *Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	o.Call = h.clock
	o.Number = len(h.operations) + 1
	h.operations = append(h.operations, o)
}

// end takes note that an operation has returned. What is known of it must have been set.
func (h *history) end(o *Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	o.Return = h.clock
}

// Write puts a history into a file, one operation per line.
func Write(path string, operations []*Operation) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(file)
	for _, o := range operations {
		if err := encoder.Encode(o); err != nil {
			_ = file.Close()
			return err
		}
	}
	return file.Close()
}

// Load reads what Write has written.
func Load(path string) ([]*Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	var operations []*Operation
	for decoder := json.NewDecoder(file); decoder.More(); {
		o := &Operation{}
		if err := decoder.Decode(o); err != nil {
			return nil, fmt.Errorf("read history %s: %w", path, err)
		}
		operations = append(operations, o)
	}
	return operations, nil
}

// register is the state of one key.
type register struct {
	found bool
	value string
}

// model says what one key may answer.
func model() porcupine.Model {
	return porcupine.Model{
		Partition: byKey,
		Init:      func() any { return register{} },
		Step: func(state, input, _ any) (bool, any) {
			o, _ := input.(*Operation)
			s, _ := state.(register)
			return step(s, o)
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprint(input) },
		DescribeState: func(state any) string {
			s, _ := state.(register)
			return describe(s.found, s.value)
		},
	}
}

// step says whether an operation can be next, and what follows.
func step(s register, o *Operation) (bool, any) {
	known := o.Outcome == Done
	sees := o.Found == s.found && o.Saw == s.value
	switch o.Kind {
	case "set":
		return true, register{true, o.Value}
	case "delete": // it answers what is gone
		return !known || sees, register{}
	case "cas":
		matches := (o.Old != nil) == s.found && deref(o.Old) == s.value
		if matches {
			return !known || o.Swapped, register{true, o.Value}
		}
		return !known || !o.Swapped && sees, s
	default:
		return !known || sees, s
	}
}

func byKey(all []porcupine.Operation) [][]porcupine.Operation {
	keys, parts := map[string]int{}, [][]porcupine.Operation{}
	for _, one := range all {
		o, _ := one.Input.(*Operation)
		i, ok := keys[o.Key]
		if !ok {
			i = len(parts)
			keys[o.Key] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], one)
	}
	return parts
}

// patience is how long the checker may think.
const patience = time.Minute

// Check says whether there is an order of the operations that explains every answer. What failed for certain has not happened; what is
// unknown may have happened at any time since it was called.
func Check(operations []*Operation) (porcupine.CheckResult, porcupine.LinearizationInfo) {
	var all []porcupine.Operation
	for _, o := range operations {
		until := o.Return
		switch {
		case o.Outcome == Failed, o.Outcome == Unknown && o.Kind == "read":
			continue
		case o.Outcome == Unknown:
			until = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: until})
	}
	return porcupine.CheckOperationsVerbose(model(), all, patience)
}

// Draw writes a page that shows a history, and how far it can be explained.
func Draw(path string, info porcupine.LinearizationInfo) error {
	return porcupine.VisualizePath(model(), info, path)
}
