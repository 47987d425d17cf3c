package rounds_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores"
)

// Every copy of a scheduler asks for the round of eight o'clock, and one does the job.
func Example() {
	ctx := context.Background()
	storage, err := stores.Open(ctx, "mem:example") // a bucket, a Redis or a directory that all share
	if err != nil {
		fmt.Println(err)
		return
	}
	billing, err := rounds.New(storage, rounds.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"host-a", "host-b", "host-a"} {
		won, state, err := billing.Elect(ctx, "billing", "2026-11-21T08:00", rounds.Candidate{ID: host})
		if err != nil { // could not tell: ask again, with the same ID
			fmt.Println(err)
			return
		}
		fmt.Println(host, won, state.Elected)
	}
	// Output:
	// host-a true host-a
	// host-b false host-a
	// host-a true host-a
}

// Only who was elected can complete a round.
func ExampleRounds_Complete() {
	ctx := context.Background()
	storage, err := stores.Open(ctx, "mem:example-complete")
	if err != nil {
		fmt.Println(err)
		return
	}
	billing, err := rounds.New(storage, rounds.Options{Prefix: "team-a/rounds"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, _, err := billing.Elect(ctx, "billing", "2026-11", rounds.Candidate{ID: "host-a"}); err != nil {
		fmt.Println(err)
		return
	}
	_, err = billing.Complete(ctx, "billing", "2026-11", rounds.Candidate{ID: "host-b"})
	if refused := new(rounds.NotElectedError); errors.As(err, &refused) {
		fmt.Println("refused; the elected one is", refused.Elected.ID)
	}
	state, err := billing.Complete(ctx, "billing", "2026-11", rounds.Candidate{ID: "host-a"})
	fmt.Println(state.Completed, err)
	// Output:
	// refused; the elected one is host-a
	// host-a <nil>
}
