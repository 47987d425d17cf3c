package roundscheck

import (
	"errors"

	"github.com/seed-6dc909bb/s3lect/rounds"
)

// OfElect is the output of an Elect of the library, or of its client.
func OfElect(won bool, state rounds.State, err error) Output {
	switch {
	case err != nil:
		return Output{}
	case won:
		return Showing(Won, state)
	default:
		return Showing(Lost, state)
	}
}

// OfLook is the output of Elected and of Completed.
func OfLook(state rounds.State, err error) Output {
	if err != nil {
		return Output{}
	}
	return Showing(Told, state)
}

// OfComplete is the output of a Complete.
func OfComplete(state rounds.State, err error) Output {
	var refused *rounds.NotElectedError
	var late *rounds.AlreadyCompletedError
	switch {
	case err == nil:
		return Showing(Recorded, state)
	case errors.As(err, &refused):
		return Output{Answer: NotElected, Elected: see(refused.Elected)}
	case errors.As(err, &late):
		return Output{Answer: AlreadyCompleted, Completed: see(&late.Completed)}
	default:
		return Output{}
	}
}

// Showing is an answer that shows all of the round.
func Showing(a Answer, state rounds.State) Output {
	return Output{Answer: a, Elected: see(state.Elected), Completed: see(state.Completed), Version: &state.Version}
}

func see(e *rounds.Event) *Seen {
	if e == nil {
		return &Seen{}
	}
	return &Seen{ID: e.ID, Address: e.Address}
}
