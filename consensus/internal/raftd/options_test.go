package raftd

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// usable are options that Check has nothing against, but for what a test changes in them.
func usable(change func(*Options)) *Options {
	o := &Options{
		ID: "n1", Peers: []consensus.PeerConfig{{ID: "n1", Address: "127.0.0.1", Port: 7001}},
		Data: "data", API: "127.0.0.1:8001",
	}
	if change != nil {
		change(o)
	}
	return o
}

func TestWhatCannotWorkIsRefusedInTheNamesOfTheFlags(t *testing.T) {
	require.NoError(t, usable(nil).Check())
	for want, change := range map[string]func(*Options){
		"--id is required":    func(o *Options) { o.ID = "" },
		"--peers is required": func(o *Options) { o.Peers = nil },
		"--bind is required where --peers does not name n1": func(o *Options) { o.Peers[0].ID = "n2" },
		"--bind is required":                          func(o *Options) { o.Peers, o.Join = nil, true },
		"--join is for a node that is added":          func(o *Options) { o.Join = true },
		`--bind "here" must be HOST:PORT`:             func(o *Options) { o.Bind = "here" },
		`--bind "h:x": the port is not a number`:      func(o *Options) { o.Bind = "h:x" },
		"--bind 0.0.0.0:1 is all addresses":           func(o *Options) { o.Bind = "0.0.0.0:1" },
		"--bind :1 is all addresses":                  func(o *Options) { o.Bind = ":1" },
		"--advertise 0.0.0.0:1 is no address":         func(o *Options) { o.Advertise = "0.0.0.0:1" },
		"--advertise h:0 is no address":               func(o *Options) { o.Advertise = "h:0" },
		`--advertise "h" must be`:                     func(o *Options) { o.Advertise = "h" },
		`--api "8001" must be HOST:PORT`:              func(o *Options) { o.API = "8001" },
		"--api 0.0.0.0:1: everybody who reaches":      func(o *Options) { o.API = "0.0.0.0:1" },
		"--api :1: everybody who reaches":             func(o *Options) { o.API = ":1" },
		"--insecure contradicts --token-file":         func(o *Options) { o.Insecure, o.TokenFile = true, "f" },
		"--data is required":                          func(o *Options) { o.Data = "" },
		`--store "mysql" is none of`:                  func(o *Options) { o.Store = "mysql" },
		"--store memory keeps nothing":                func(o *Options) { o.Store = "memory" },
		"--store postgres needs to be a URL":          func(o *Options) { o.Store = "postgres" },
		"--data data is of no effect with PostgreSQL": func(o *Options) { o.Store = "postgres://h/d" },
		"--store bbolt:///d names a directory":        func(o *Options) { o.Store = "bbolt:///d" },
		"--store pebble://d needs three slashes":      func(o *Options) { o.Store, o.Data = "pebble://d", "" },
		"--table t is for PostgreSQL":                 func(o *Options) { o.Table = "t" },
		`--transport "udp" is neither`:                func(o *Options) { o.Transport = "udp" },
		"--tls-cert, --tls-key and --tls-ca need":     func(o *Options) { o.TLS.Cert = "f" },
		"--api-tls-cert and --api-tls-key need":       func(o *Options) { o.APITLS.Cert = "f" },
		"--api-tls-ca needs --api-tls-cert":           func(o *Options) { o.APITLS.CA = "f" },
		"--remove-absent needs --discovery":           func(o *Options) { o.RemoveAbsent = time.Hour },
		"--election-timeout-min -1s must not be":      func(o *Options) { o.ElectionMin = -time.Second },
		"--max-command-size -1 must not be":           func(o *Options) { o.MaxCommand = -1 },
		"--max-connections -1 must not be":            func(o *Options) { o.MaxConnections = -1 },
	} {
		err := usable(change).Check()
		if assert.Error(t, err, want) {
			assert.Contains(t, err.Error(), want)
		}
	}
}

func TestWhatIsMeantIsLetPass(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"token":            func(o *Options) { o.API, o.TokenFile = ":1", "f" },
		"certificates":     func(o *Options) { o.API, o.TLS = ":1", Files{"c", "k", "a"} },
		"insecure":         func(o *Options) { o.API, o.Insecure = ":1", true },
		"localhost":        func(o *Options) { o.API = "localhost:1" },
		"IPv6 loopback":    func(o *Options) { o.API = "[::1]:1" },
		"join":             func(o *Options) { o.Peers, o.Join, o.Bind = nil, true, "h:1" },
		"discovery":        func(o *Options) { o.Peers, o.Discovery, o.Bind = nil, "dns://x", "h:1" },
		"advertised":       func(o *Options) { o.Bind, o.Advertise = ":1", "h:1" },
		"all in memory":    func(o *Options) { o.Store, o.Data = "memory", "" },
		"server's TLS":     func(o *Options) { o.APITLS = Files{Cert: "c", Key: "k"} },
		"not in the peers": func(o *Options) { o.Peers[0].ID, o.Bind = "n2", "h:1" },
	} {
		assert.NoError(t, usable(change).Check(), name)
	}
}

func TestThePasswordOfADatabaseIsShownToNobody(t *testing.T) {
	o := usable(func(o *Options) { o.Store, o.Data = "postgres://u:secret@h/d", "" })
	place, err := o.store()
	require.NoError(t, err)
	assert.Equal(t, "table raftd_n1 in postgres://u:xxxxx@h/d", place.String())
	for _, store := range []string{"mysql://u:secret@h/d", "postgres://u:secret%zz@h/d"} {
		_, err := usable(func(o *Options) { o.Store, o.Data = store, "" }).store()
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestOthersAreToldWhereTheAPIIs(t *testing.T) {
	for name, test := range map[string]struct {
		change    func(*Options)
		encrypted bool
		want      string
	}{
		"address":     {nil, false, "http://127.0.0.1:9"},
		"encrypted":   {nil, true, "https://127.0.0.1:9"},
		"name":        {func(o *Options) { o.API = "localhost:0" }, false, "http://localhost:9"},
		"all of them": {func(o *Options) { o.API, o.Bind = ":0", "10.0.0.1:7001" }, false, "http://10.0.0.1:9"},
		"advertised":  {func(o *Options) { o.API, o.Advertise = "[::]:0", "[fd00::1]:7001" }, false, "http://[fd00::1]:9"},
		"given":       {func(o *Options) { o.APIURL = "https://api.example.com/" }, false, "https://api.example.com/"},
	} {
		listening := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
		assert.Equal(t, test.want, usable(test.change).apiURL(listening, test.encrypted), name)
	}
}

func TestNoTwoNodesShareATable(t *testing.T) {
	long := strings.Repeat("n", 100)
	seen := map[string]string{}
	for _, id := range []string{"n1", "n_1", "n-1", "n.1", "N1", "é", "è", long, long + "1", "n", ""} {
		table := tableOf(id)
		assert.Regexp(t, `^raftd_[a-z0-9_]*$`, table)
		assert.LessOrEqual(t, len(table), 63)
		assert.NotContains(t, seen, table, id)
		seen[table] = id
	}
	assert.Equal(t, "raftd_n1", tableOf("n1"))
	place, err := usable(func(o *Options) { o.Store, o.Data, o.Table = "postgres://h/d", "", "s.t" }).store()
	require.NoError(t, err)
	assert.Equal(t, "s.t", place.table)
}
