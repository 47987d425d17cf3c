package consensus_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/static"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

func TestOptionsThatCannotWorkAreRefusedWithTheirName(t *testing.T) {
	peers := func(list ...consensus.PeerConfig) consensus.Option { return consensus.WithPeers(list) }
	n1 := consensus.PeerConfig{ID: "n1", Address: "10.0.0.1", Port: 7000}
	for name, test := range map[string]struct {
		options []consensus.Option
		text    string
		is      error
	}{
		"no node ID":             {[]consensus.Option{consensus.WithNodeID("")}, "node ID is missing", nil},
		"space in the node ID":   {[]consensus.Option{consensus.WithNodeID("n 1")}, `node ID "n 1"`, nil},
		"long node ID":           {[]consensus.Option{consensus.WithNodeID(strings.Repeat("n", 129))}, "129 bytes", nil},
		"no cluster ID":          {[]consensus.Option{consensus.WithClusterID("")}, "cluster ID is missing", nil},
		"no machine":             {[]consensus.Option{consensus.WithStateMachine(nil)}, "WithStateMachine", nil},
		"no storage":             {[]consensus.Option{consensus.WithStorage(nil)}, "WithDataDir or WithStorage", consensus.ErrStorageUnavailable},
		"two storages":           {[]consensus.Option{consensus.WithDataDir("data")}, "both set", nil},
		"nil logger":             {[]consensus.Option{consensus.WithLogger(nil)}, "logger is nil", nil},
		"port too large":         {[]consensus.Option{consensus.WithBindAddress("127.0.0.1", 70000)}, "port 70000", nil},
		"every address":          {[]consensus.Option{consensus.WithBindAddress("0.0.0.0", 7000)}, "WithAdvertiseAddress", nil},
		"every IPv6 address":     {[]consensus.Option{consensus.WithBindAddress("::", 7000)}, "WithAdvertiseAddress", nil},
		"advertised port alone":  {[]consensus.Option{consensus.WithAdvertiseAddress("", 7000)}, "without a host", nil},
		"advertised port":        {[]consensus.Option{consensus.WithAdvertiseAddress("a", -1)}, "advertised port -1", nil},
		"API of nowhere":         {[]consensus.Option{consensus.WithAPIAddress("n1:8080")}, `"n1:8080": use a URL`, nil},
		"API with a password":    {[]consensus.Option{consensus.WithAPIAddress("http://me:secret@n1")}, "a user name or a password", nil},
		"API of any length":      {[]consensus.Option{consensus.WithAPIAddress("http://n1/" + strings.Repeat("x", 2048))}, "2058 bytes", nil},
		"short election":         {[]consensus.Option{consensus.WithElectionTimeoutMin(time.Millisecond)}, "1ms: use 20ms or more", nil},
		"negative election":      {[]consensus.Option{consensus.WithElectionTimeoutMin(-time.Second)}, "-1s", nil},
		"elections upside down":  {[]consensus.Option{consensus.WithElectionTimeoutMin(time.Second), consensus.WithElectionTimeoutMax(500 * time.Millisecond)}, "500ms, is less than the least, 1s", nil},
		"election of an hour":    {[]consensus.Option{consensus.WithElectionTimeoutMax(time.Hour)}, "1h0m0s", nil},
		"slow heartbeat":         {[]consensus.Option{consensus.WithHeartbeatInterval(time.Second)}, "heartbeat interval, 1s", nil},
		"negative heartbeat":     {[]consensus.Option{consensus.WithHeartbeatInterval(-1)}, "heartbeat interval", nil},
		"snapshot interval":      {[]consensus.Option{consensus.WithSnapshotInterval(0)}, "snapshot interval", nil},
		"snapshot threshold":     {[]consensus.Option{consensus.WithSnapshotThreshold(0)}, "snapshot threshold", nil},
		"no command":             {[]consensus.Option{consensus.WithMaxCommandSize(0)}, "0 bytes", nil},
		"huge command":           {[]consensus.Option{consensus.WithMaxCommandSize(1 << 30)}, "1073741824 bytes", nil},
		"absent without list":    {[]consensus.Option{consensus.WithRemoveAbsent(time.Minute)}, "needs WithDiscovery", nil},
		"negative absence":       {[]consensus.Option{consensus.WithDiscovery(&static.Discovery{}), consensus.WithRemoveAbsent(-1)}, "-1ns", nil},
		"join and peers":         {[]consensus.Option{consensus.WithJoin(), peers(n1)}, "WithJoin and WithPeers", nil},
		"peer twice":             {[]consensus.Option{peers(n1, n1)}, "n1 is listed twice", consensus.ErrPeerExists},
		"address twice":          {[]consensus.Option{peers(n1, consensus.PeerConfig{ID: "n2", Address: "10.0.0.1", Port: 7000})}, "n1 and n2 have the same address, 10.0.0.1:7000", consensus.ErrPeerExists},
		"peer without an ID":     {[]consensus.Option{peers(consensus.PeerConfig{Address: "a", Port: 1})}, "ID of a peer", nil},
		"peer without a port":    {[]consensus.Option{peers(consensus.PeerConfig{ID: "n1", Address: "a"})}, "node n1 has the port 0", nil},
		"peer without a host":    {[]consensus.Option{peers(consensus.PeerConfig{ID: "n1", Port: 1})}, `node n1 has the address ""`, nil},
		"peers without a vote":   {[]consensus.Option{peers(consensus.PeerConfig{ID: "n1", Address: "a", Port: 1, NonVoter: true})}, "no peer has a vote", consensus.ErrInsufficientPeers},
		"TLS without a key":      {[]consensus.Option{consensus.WithTLS(&tls.Config{RootCAs: x509.NewCertPool(), ClientCAs: x509.NewCertPool()})}, "no certificate", nil},
		"TLS for one direction":  {[]consensus.Option{consensus.WithTLS(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }})}, "nodes it connects to", nil},
		"TLS without an issuer":  {[]consensus.Option{consensus.WithTLS(&tls.Config{Certificates: []tls.Certificate{{}}})}, "authorities", nil},
		"TLS that trusts anyone": {[]consensus.Option{consensus.WithTLS(&tls.Config{Certificates: []tls.Certificate{{}}, InsecureSkipVerify: true})}, "InsecureSkipVerify", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := consensus.New(append([]consensus.Option{
				consensus.WithNodeID("n1"),
				consensus.WithStateMachine(kv.New()),
				consensus.WithStorage(memory.New()),
			}, test.options...)...)
			require.ErrorContains(t, err, test.text)
			require.ErrorIs(t, err, consensus.ErrConfig)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
}

func TestTimesThatUsersCommonlyGiveAreTakenAndToldInForce(t *testing.T) {
	node, err := consensus.New(
		consensus.WithNodeID("n1"),
		consensus.WithStateMachine(kv.New()),
		consensus.WithStorage(memory.New()),
		consensus.WithHeartbeatInterval(150*time.Millisecond),
		consensus.WithElectionTimeoutMin(300*time.Millisecond),
		consensus.WithElectionTimeoutMax(500*time.Millisecond),
	)
	require.NoError(t, err)
	require.Equal(t, consensus.Timing{
		HeartbeatMin: 30 * time.Millisecond, HeartbeatMax: 60 * time.Millisecond,
		ElectionMin: 300 * time.Millisecond, ElectionMax: 600 * time.Millisecond,
		Lease: 270 * time.Millisecond,
	}, node.Timing())
}
