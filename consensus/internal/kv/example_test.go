package kv_test

import (
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

func Example() {
	machine := kv.New()
	set := kv.Set("color", "green")
	// A node does this, on every member, for what Node.Apply was given on one of them.
	value, err := machine.ApplyResult(consensus.LogEntry{Index: 7, Type: set.Type, Data: set.Data})
	fmt.Printf("%+v %v\n", value, err)

	answer, err := machine.Query(kv.Get{Key: "color"})
	fmt.Printf("%+v %v\n", answer, err)
	// Output:
	// {Value:green Found:true Version:7 Swapped:false} <nil>
	// {Value:green Found:true Version:7 Swapped:false} <nil>
}
