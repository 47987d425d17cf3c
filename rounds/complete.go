package rounds

import "context"

func (r *Rounds) complete(ctx context.Context, at place, candidate Candidate) (record, error) {
	return r.update(ctx, at, func(current record) (record, bool, error) {
		switch {
		case current.Completed != nil && current.Completed.is(candidate):
			return current, false, nil
		case !current.mayComplete(candidate):
			return current, false, &NotElectedError{current.Elected}
		case current.Completed != nil:
			return current, false, &AlreadyCompletedError{*current.Completed}
		}
		current.Completed = candidate.now()
		return current, true, nil
	})
}

// mayComplete reports whether the candidate may have done the round's work.
func (r record) mayComplete(candidate Candidate) bool {
	if candidate.ID == "" {
		return r.Elected == nil || r.Elected.ID == ""
	}
	return r.Elected != nil && r.Elected.is(candidate)
}
