// Package raftd is what "raftd run" does: a node with a key-value store, and its API, from [Options] that are flags.
//
//	err := raftd.Run(ctx, raftd.Options{ID: "n1", Peers: peers, Data: "data/1", API: "127.0.0.1:8001", Logger: log})
//
// returns when ctx ends, after an orderly end, or when the node has ended by itself, with the reason.
package raftd

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// Names of transports.
const (
	TCP  = "tcp"
	GRPC = "grpc"
)

// Options are the flags of "raftd run"; see its help. Zero values stand for defaults, unless [Options.Check] demands
// something.
type Options struct {
	ID, Cluster     string
	Peers           []consensus.PeerConfig
	Join            bool
	Bind, Advertise string // host and port

	API, APIURL    string // host and port; URL
	Forward        bool
	TokenFile      string
	Insecure       bool
	RequestTimeout time.Duration
	MaxConnections int

	Data, Store       string
	Table             string // of PostgreSQL
	SnapshotInterval  time.Duration
	SnapshotThreshold uint64
	TrailingLogs      uint64
	MaxCommand        int // bytes

	Transport   string
	TLS, APITLS Files

	Discovery    string // URL
	RemoveAbsent time.Duration

	ElectionMin, ElectionMax, Heartbeat time.Duration
	StopTimeout                         time.Duration

	Version string
	Logger  *slog.Logger
}

// Files are the names of PEM files.
type Files struct{ Cert, Key, CA string }

// Check says what is missing, wrong or of no effect, in the names of the flags. It opens nothing.
func (o *Options) Check() error {
	return cmp.Or(o.checkMembership(), o.checkAddresses(), o.checkStore(), o.checkTLS(), o.checkAPI(), o.checkNumbers())
}

func (o *Options) checkMembership() error {
	switch {
	case o.ID == "":
		return errors.New("--id is required: what this node is called in the cluster, such as n1")
	case o.Join && len(o.Peers) > 0:
		return errors.New("--join is for a node that is added to a cluster, --peers for one that founds it: give one of them")
	case !o.Join && len(o.Peers) == 0 && o.Discovery == "":
		return fmt.Errorf("--peers is required: the first members, this one among them, such as\n"+
			"  --peers %s=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003\n"+
			"(or --join for a node that \"raftd add\" makes a member, or --discovery)", o.ID)
	case o.RemoveAbsent != 0 && o.Discovery == "":
		return errors.New("--remove-absent needs --discovery: the list that a member is absent from")
	}
	return nil
}

func (o *Options) checkAddresses() error {
	host, _, err := o.bind()
	if err != nil {
		return err
	}
	if o.Advertise == "" {
		if unspecified(host) {
			return fmt.Errorf("--bind %s is all addresses of this machine; say with --advertise which one the other nodes reach it at", o.Bind)
		}
		return nil
	}
	host, port, err := splitAddress("--advertise", o.Advertise)
	if err == nil && (unspecified(host) || port == 0) {
		err = fmt.Errorf("--advertise %s is no address that others can reach", o.Advertise)
	}
	return err
}

// bind returns where to listen for the other nodes.
func (o *Options) bind() (host string, port int, err error) {
	if o.Bind != "" {
		return splitAddress("--bind", o.Bind)
	}
	for _, peer := range o.Peers {
		if peer.ID == o.ID {
			return peer.Address, peer.Port, nil
		}
	}
	return "", 0, fmt.Errorf("--bind is required where --peers does not name %s: the address to listen at for the other nodes, such as 127.0.0.1:7001", o.ID)
}

func (o *Options) checkStore() error {
	_, err := o.store()
	if err == nil && o.Transport != "" && o.Transport != TCP && o.Transport != GRPC {
		err = fmt.Errorf("--transport %q is neither tcp nor grpc", o.Transport)
	}
	return err
}

func (o *Options) checkTLS() error {
	if files := o.TLS; files != (Files{}) && (files.Cert == "" || files.Key == "" || files.CA == "") {
		return errors.New("--tls-cert, --tls-key and --tls-ca need each other: nodes show certificates and check those of others")
	}
	files := o.apiTLS()
	switch {
	case (files.Cert == "") != (files.Key == ""):
		return errors.New("--api-tls-cert and --api-tls-key need each other")
	case files.CA != "" && files.Cert == "":
		return errors.New("--api-tls-ca needs --api-tls-cert and --api-tls-key as well: clients show certificates over TLS alone")
	}
	return nil
}

// apiTLS returns the files of the API: those of the nodes unless it has others.
func (o *Options) apiTLS() Files {
	if o.APITLS == (Files{}) {
		return o.TLS
	}
	return o.APITLS
}

func (o *Options) checkAPI() error {
	host, _, err := splitAddress("--api", o.API)
	if err != nil {
		return err
	}
	guarded := o.TokenFile != "" || o.apiTLS().CA != ""
	switch {
	case o.Insecure && guarded:
		return errors.New("--insecure contradicts --token-file and the authority of clients' certificates: it would let everybody in")
	case !o.Insecure && !guarded && !loopback(host):
		return fmt.Errorf("--api %s: everybody who reaches this address could change everything; give --token-file, or certificates, or say with --insecure that it is meant", o.API)
	}
	return nil
}

// open says whether everybody who reaches the API may change things.
func (o *Options) open() bool { return o.TokenFile == "" && o.apiTLS().CA == "" }

func (o *Options) checkNumbers() error {
	for _, flag := range []struct {
		name  string
		value time.Duration
	}{
		{"request-timeout", o.RequestTimeout},
		{"snapshot-interval", o.SnapshotInterval},
		{"remove-absent", o.RemoveAbsent},
		{"election-timeout-min", o.ElectionMin},
		{"election-timeout-max", o.ElectionMax},
		{"heartbeat-interval", o.Heartbeat},
		{"stop-timeout", o.StopTimeout},
	} {
		if flag.value < 0 {
			return fmt.Errorf("--%s %v must not be negative", flag.name, flag.value)
		}
	}
	switch {
	case o.MaxCommand < 0:
		return fmt.Errorf("--max-command-size %d must not be negative", o.MaxCommand)
	case o.MaxConnections < 0:
		return fmt.Errorf("--max-connections %d must not be negative", o.MaxConnections)
	}
	return nil
}

func splitAddress(flag, address string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%s %q must be HOST:PORT, such as 127.0.0.1:7001", flag, address)
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%s %q: the port is not a number up to 65535", flag, address)
	}
	return host, int(number), nil
}

// unspecified says whether a host stands for all addresses of a machine.
func unspecified(host string) bool {
	return host == "" || net.ParseIP(host).IsUnspecified()
}

// loopback says whether nobody but this machine reaches a host.
func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
