package discovery_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

func TestNodesThatCanBeReachedAreValid(t *testing.T) {
	for _, node := range []discovery.Node{
		{ID: "n1", Address: "10.0.0.1", Port: 7000},
		{ID: "n1", Address: "::1", Port: 1},
		{ID: "n1", Address: "raft-0.raft.default.svc.cluster.local", Port: 65535, Voter: true},
		{ID: "Ünïcode/αβγ", Address: "host_1", Port: 7000, Tags: map[string]string{"zone-1_a": "eu west"}},
		{ID: strings.Repeat("ü", 128), Address: "a", Port: 7000},
	} {
		assert.NoError(t, node.Validate(), "%+v", node)
	}
}

func TestNodesThatCannotBeReachedOrNamedAreRefused(t *testing.T) {
	many := map[string]string{}
	for i := range 33 {
		many[fmt.Sprint("t", i)] = ""
	}
	for _, test := range []struct {
		node  discovery.Node
		names string // what the error has to name
	}{
		{discovery.Node{Address: "a", Port: 1}, "ID is empty"},
		{discovery.Node{ID: "a b", Address: "a", Port: 1}, `"a b"`},
		{discovery.Node{ID: "a\n", Address: "a", Port: 1}, `"a\n"`},
		{discovery.Node{ID: "a\xff", Address: "a", Port: 1}, "UTF-8"},
		{discovery.Node{ID: strings.Repeat("x", 129), Address: "a", Port: 1}, "128"},
		{discovery.Node{ID: "n1", Port: 1}, "node n1: address is empty"},
		{discovery.Node{ID: "n1", Address: "0.0.0.0", Port: 1}, "0.0.0.0"},
		{discovery.Node{ID: "n1", Address: "::", Port: 1}, "address ::"},
		{discovery.Node{ID: "n1", Address: "[::1]", Port: 1}, "[::1]"},
		{discovery.Node{ID: "n1", Address: "host:7000", Port: 1}, "host:7000"},
		{discovery.Node{ID: "n1", Address: "http://host", Port: 1}, "http://host"},
		{discovery.Node{ID: "n1", Address: "a..b", Port: 1}, "a..b"},
		{discovery.Node{ID: "n1", Address: "a.", Port: 1}, "a."},
		{discovery.Node{ID: "n1", Address: strings.Repeat("a.", 127), Port: 1}, "253"},
		{discovery.Node{ID: "n1", Address: "a"}, "port 0"},
		{discovery.Node{ID: "n1", Address: "a", Port: 65536}, "port 65536"},
		{discovery.Node{ID: "n1", Address: "a", Port: -1}, "port -1"},
		{discovery.Node{ID: "n1", Address: "a", Port: 1, Tags: map[string]string{"a b": ""}}, `"a b"`},
		{discovery.Node{ID: "n1", Address: "a", Port: 1, Tags: map[string]string{"": ""}}, `""`},
		{discovery.Node{ID: "n1", Address: "a", Port: 1, Tags: map[string]string{"a": strings.Repeat("x", 513)}}, `"a"`},
		{discovery.Node{ID: "n1", Address: "a", Port: 1, Tags: map[string]string{"a": "\xff"}}, `"a"`},
		{discovery.Node{ID: "n1", Address: "a", Port: 1, Tags: many}, "33 tags"},
	} {
		assert.ErrorContains(t, test.node.Validate(), test.names, "%+v", test.node)
	}
}
