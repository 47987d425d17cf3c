package roundscheck

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

var (
	// ErrTwoWinners says that more than one identity was told that it has won a round.
	ErrTwoWinners = errors.New("more than one was told that it has won")

	// ErrNotLinearizable says that no order of the calls explains all answers.
	ErrNotLinearizable = errors.New("no order of the calls explains all answers")

	// ErrUnjudged says that the checker has not come to an end.
	ErrUnjudged = errors.New("not judged in time")
)

// patience is far more than any history of a test takes.
const patience = time.Minute

// Check judges the history. The error tells of the first round that is not as promised, and lists its
// calls. It wraps [ErrTwoWinners], [ErrNotLinearizable], both, or [ErrUnjudged].
func (h *History) Check() error {
	winners := h.Winners()
	byRound := h.byRound()
	for _, name := range slices.Sorted(maps.Keys(byRound)) {
		calls := byRound[name]
		err := linearize(calls)
		if len(winners[name]) > 1 {
			err = errors.Join(fmt.Errorf("%w: %s", ErrTwoWinners, strings.Join(winners[name], ", ")), err)
		}
		if err != nil {
			return fmt.Errorf("round %s: %w", name, err)
		}
	}
	return nil
}

// linearize finds an order that explains the calls of one round.
func linearize(calls []Call) error {
	var best []porcupine.Operation
	for _, history := range histories(calls) {
		switch porcupine.CheckOperationsTimeout(model, history, patience) {
		case porcupine.Ok:
			return nil
		case porcupine.Illegal:
			_, info := porcupine.CheckOperationsVerbose(model, history, patience) // slower, and tells why
			if order := longest(info); len(order) > len(best) {
				best = order
			}
		default:
			return fmt.Errorf("%w (%v); the calls:\n%s", ErrUnjudged, patience, list(calls))
		}
	}
	return fmt.Errorf("%w; the calls:\n%sas many as possible in order:\n%s", ErrNotLinearizable, list(calls), tell(best))
}

// longest is the longest order that the checker has found.
func longest(info porcupine.LinearizationInfo) (order []porcupine.Operation) {
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, partial := range partition {
			if len(partial) > len(order) {
				order = partial
			}
		}
	}
	return order
}

func tell(order []porcupine.Operation) string {
	var b strings.Builder
	state := model.Init()
	for _, o := range order {
		_, state = model.Step(state, o.Input, o.Output)
		fmt.Fprintf(&b, "  %v => %v\n", o.Input, state)
	}
	return b.String()
}
