//go:build unix

package main

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// A judge that lets everything pass would prove nothing.
func TestTheJudgeTellsGoodHistoriesFromBadOnes(t *testing.T) {
	one := "1"
	at := func(call, end int64, in input, out output) porcupine.Operation {
		in.key = "k"
		return porcupine.Operation{Input: in, Output: out, Call: call, Return: end}
	}
	set := func(call, end int64, value string) porcupine.Operation {
		return at(call, end, input{kind: kv.TypeSet, value: value}, output{unknown: end == math.MaxInt64})
	}
	get := func(call, end int64, value string) porcupine.Operation {
		return at(call, end, input{kind: "get"}, output{Answer: kv.Answer{Value: value, Found: value != ""}})
	}
	cas := func(call, end int64, old *string, value string, swapped bool, there string) porcupine.Operation {
		return at(call, end, input{kind: kv.TypeCompareAndSwap, old: old, value: value},
			output{Answer: kv.Answer{Swapped: swapped, Value: there, Found: there != ""}, unknown: end == math.MaxInt64})
	}
	const never = math.MaxInt64
	for name, test := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"read what was set":              {[]porcupine.Operation{set(0, 1, "1"), get(2, 3, "1")}, true},
		"lost":                           {[]porcupine.Operation{set(0, 1, "1"), get(2, 3, "")}, false},
		"stale":                          {[]porcupine.Operation{set(0, 1, "1"), set(2, 3, "2"), get(4, 5, "1")}, false},
		"stale after new":                {[]porcupine.Operation{set(0, 9, "1"), get(1, 2, "1"), get(3, 4, "")}, false},
		"while it is set":                {[]porcupine.Operation{set(0, 9, "1"), get(1, 2, ""), get(3, 4, "1")}, true},
		"out of nothing":                 {[]porcupine.Operation{get(0, 1, "1")}, false},
		"unknown, happened":              {[]porcupine.Operation{set(0, never, "1"), get(2, 3, ""), get(4, 5, "1")}, true},
		"unknown, did not happen":        {[]porcupine.Operation{set(0, never, "1"), get(2, 3, "")}, true},
		"unknown, happened and undone":   {[]porcupine.Operation{set(0, never, "1"), get(2, 3, "1"), get(4, 5, "")}, false},
		"swapped":                        {[]porcupine.Operation{set(0, 1, "1"), cas(2, 3, &one, "2", true, "2"), get(4, 5, "2")}, true},
		"swapped twice":                  {[]porcupine.Operation{set(0, 1, "1"), cas(2, 9, &one, "2", true, "2"), cas(2, 9, &one, "3", true, "3")}, false},
		"created":                        {[]porcupine.Operation{cas(0, 1, nil, "1", true, "1"), get(2, 3, "1")}, true},
		"created twice":                  {[]porcupine.Operation{cas(0, 1, nil, "1", true, "1"), cas(2, 3, nil, "1", true, "1")}, false},
		"not swapped for no reason":      {[]porcupine.Operation{set(0, 1, "1"), cas(2, 3, &one, "2", false, "1")}, false},
		"not swapped, and then it is":    {[]porcupine.Operation{set(0, 1, "3"), cas(2, 3, &one, "2", false, "3"), get(4, 5, "2")}, false},
		"unknown swap, happened":         {[]porcupine.Operation{set(0, 1, "1"), cas(2, never, &one, "2", false, ""), get(4, 5, "2")}, true},
		"unknown swap that could not be": {[]porcupine.Operation{set(0, 1, "3"), cas(2, never, &one, "2", false, ""), get(4, 5, "2")}, false},
	} {
		assert.Equal(t, test.want, porcupine.CheckOperations(register, test.history), name)
	}
}
