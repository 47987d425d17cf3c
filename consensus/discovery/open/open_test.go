package open_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/open"
)

func TestStaticURLListsNodes(t *testing.T) {
	d, err := open.Open("static://n2=10.0.0.2:7000,n1=[::1]:7001/nonvoter,n3=host:7002/nonvoter", nil)
	require.NoError(t, err)
	require.NoError(t, d.Start(t.Context()))
	nodes, err := d.GetNodes(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Stop(t.Context()))
	assert.Equal(t, []discovery.Node{
		{ID: "n1", Address: "::1", Port: 7001},
		{ID: "n2", Address: "10.0.0.2", Port: 7000, Voter: true},
		{ID: "n3", Address: "host", Port: 7002},
	}, nodes)
}

func TestURLsWithEveryParameterAreUnderstood(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	for _, url := range []string{
		"static://n1=10.0.0.1:7000",
		"dns+srv://_raft._tcp.raft.default.svc.cluster.local",
		"dns+srv://_raft._tcp.raft.test.?interval=1s&timeout=2s&server=10.96.0.10:53&nonvoters=true&id=whole-name",
		"dns+srv://_raft._tcp.raft.test?id=first-label",
		"dns+a://raft.example.com:7000?interval=1s&timeout=2s&server=127.0.0.1:53&nonvoters=false",
		"dns+aaaa://raft.example.com:7000",
		"consul://127.0.0.1:8500/raft",
		"consul://[::1]:8500/raft?dc=dc1&ttl=10s&forget=1m&tls=true&token-file=" + secret,
		"etcd://127.0.0.1:2379/raft",
		"etcd://10.0.0.1:2379,[::1]:2379/raft/orders/?ttl=5s&user=raft&tls=true&password-file=" + secret,
	} {
		d, err := open.Open(url, nil)
		require.NoError(t, err, url)
		assert.NotNil(t, d, url)
	}
}

func TestImpossibleURLsAreRefused(t *testing.T) {
	for _, test := range []struct{ url, names string }{
		{"", "consul://, dns+a://, dns+aaaa://, dns+srv://, etcd://, static://"},
		{"n1=10.0.0.1:7000", "begins with none of"},
		{"dns://raft", "begins with none of"},
		{"static://", "no host"},
		{"static://n1", `"n1" is not of the form`},
		{"static://n1=10.0.0.1", `"n1=10.0.0.1" is not of the form`},
		{"static://n1=10.0.0.1:x", `port "x"`},
		{"static://n1=a:1,n1=b:1", "listed twice"},
		{"static://n1=a:1/observer", `"n1=a:1/observer"`},
		{"static://n1=a:70000", "port 70000"},
		{"static://n1=a:1?x=1", `unknown parameter "x"`},
		{"dns+srv://_raft._tcp.x:7000", "SRV records have their own"},
		{"dns+srv://_raft._tcp.x/y", "path /y"},
		{"dns+srv://_raft._tcp.x?interval=5", "parameter interval"},
		{"dns+srv://_raft._tcp.x?interval=-5s", "parameter interval"},
		{"dns+srv://_raft._tcp.x?interval=", "parameter interval is empty"},
		{"dns+srv://_raft._tcp.x?interval=1s&interval=2s", "given 2 times"},
		{"dns+srv://_raft._tcp.x?intervall=1s", `unknown parameter "intervall"`},
		{"dns+srv://_raft._tcp.x?id=last-label", "parameter id"},
		{"dns+srv://_raft._tcp.x?nonvoters=yes", "parameter nonvoters"},
		{"dns+srv://_raft._tcp.x?server=10.0.0.1", "server"},
		{"dns+a://raft", "the port of all nodes"},
		{"dns+a://raft:x", `port "x"`},
		{"dns+a://raft:0", "port 0"},
		{"dns+a://raft:1?id=whole-name", `unknown parameter "id"`},
		{"consul://127.0.0.1:8500", "service is missing"},
		{"consul://127.0.0.1/raft", "address"},
		{"consul://127.0.0.1:8500/a/b", `"a/b"`},
		{"consul://127.0.0.1:8500/raft?token-file=/does/not/exist", "/does/not/exist"},
		{"consul://127.0.0.1:8500/raft?token-file=/dev/null", "/dev/null is empty"},
		{"consul://127.0.0.1:8500/raft?token-file=/dev/zero", "/dev/zero is longer"},
		{"consul://127.0.0.1:8500/raft?tls=false&ca=/dev/null", "contradicts"},
		{"consul://127.0.0.1:8500/raft?ca=/dev/null", "/dev/null has no certificates"},
		{"consul://127.0.0.1:8500/raft?ca=/does/not/exist", "/does/not/exist"},
		{"consul://127.0.0.1:8500/raft?cert=a", "cert and key"},
		{"consul://127.0.0.1:8500/raft?cert=/does/not/exist&key=b", "/does/not/exist"},
		{"consul://127.0.0.1:8500/raft#x", "#"},
		{"consul://127.0.0.1:8500/%zz", "%"},
		{"consul://127.0.0.1:8500/raft?a=%zz", "name=value"},
		{"etcd://127.0.0.1:2379", "prefix is missing"},
		{"etcd://127.0.0.1:2379,/raft", "endpoint 2"},
		{"etcd://127.0.0.1:2379/raft?user=raft", "user needs a password"},
		{"etcd://127.0.0.1:2379/raft?user=raft&password-file=/dev/null", "/dev/null is empty"},
		{"etcd://127.0.0.1:2379/raft?password-file=/dev/null", "needs the parameter user"},
	} {
		_, err := open.Open(test.url, nil)
		assert.ErrorContains(t, err, test.names, test.url)
	}
}

func Example() {
	nodes, err := open.Open("static://n1=10.0.0.1:7000,n2=10.0.0.2:7000", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := nodes.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer nodes.Stop(ctx) //nolint:errcheck // there is nothing that could fail
	list, err := nodes.GetNodes(ctx)
	for _, node := range list {
		fmt.Println(node.ID, node.Address, node.Port)
	}
	fmt.Println(err)
	// Output:
	// n1 10.0.0.1 7000
	// n2 10.0.0.2 7000
	// <nil>
}
