package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftd"
)

const runLong = `Run a node. It keeps its data in a directory, talks to its peers at the address
that --peers has for it, and answers clients at --api.

The first start of a cluster: give all nodes the same --peers. From then on a
node goes by its data: later changes of --peers do nothing, members come and go
by "raftd add" and "raftd remove". A node that is to be added starts with --join.

The flags can stand in a YAML file (--config) under their names without dashes;
"peers" may be a map there. A flag wins over the environment, and that over the
file:

  id: n1
  data: /var/lib/raftd
  api: 10.0.0.1:8001
  token-file: /etc/raftd/tokens
  peers:
    n1: 10.0.0.1:7001
    n2: 10.0.0.2:7001
    n3: 10.0.0.3:7001

--store says what keeps the log, the votes and the snapshots:

  pebble, badger, bbolt    in the directory --data (default pebble)
  bbolt:///DIR and so on   in that directory
  postgres://...           in a database, in a table of this node's own; with a
                           password, in RAFTD_STORE or the file, not in a flag
  memory                   nowhere: for trying things out. A node that comes
                           back without its data has forgotten whom it voted
                           for, and what was confirmed can be lost

With --tls-cert, --tls-key and --tls-ca nodes talk over mutual TLS, and the API
is served over TLS with the same files, or those of --api-tls-...; client
certificates of the API's authority may then change things, as may whoever has a
token of --token-file. Without either, the API is open to everybody who can
reach it, so it must be on a loopback address, or --insecure has to say that
this is meant. Files of tokens and certificates are loaded again when they change.

--discovery names a list of nodes that somebody keeps, from which the leader
adds members:

  dns+srv://NAME              SRV records, also of a Kubernetes service
  dns+a://NAME:PORT           A records, or dns+aaaa: AAAA records
  consul://HOST:PORT/SERVICE  a service of Consul
  etcd://HOST:PORT/PREFIX/    keys of etcd
  static://n1=HOST:PORT,...   nothing but what is written there

TERM, INT and HUP end the node in order: it hands leadership on, answers what is
under way, and closes its data. A second signal ends it at once, which costs
nothing but an election.

Exit status:
  0  ended in order
  1  failed, or the node has stopped by itself, or the storage engine cannot
     open its files
  2  wrong usage, or a configuration that cannot work
  5  somebody has to look first, and starting again does not help: the data
     belong to another node or cluster, or are damaged, or the state machine
     has failed`

const runExample = `  # The first of three nodes:
  raftd run --id n1 --data data/1 --api 127.0.0.1:8001 \
    --peers n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003

  # From a file:
  raftd run --config /etc/raftd.yaml

  # One that "raftd add n4 127.0.0.1:7004" makes a member:
  raftd run --id n4 --join --bind 127.0.0.1:7004 --data data/4 --api 127.0.0.1:8004`

type runOptions struct {
	raftd.Options

	config string
	peers  peerList
}

func (a *App) newRunCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:     "run --id ID --peers ID=HOST:PORT,... --data DIR [flags]",
		Short:   "Run a node",
		Long:    runLong,
		Example: runExample,
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.run(cmd, &o) },
	}
	o.addFlags(cmd)
	return cmd
}

func (o *runOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.config, configFlag, "", "YAML `file` with flags")

	f.StringVar(&o.ID, "id", "", "`ID` of this node, unique in the cluster, for as long as its data live (required)")
	f.StringVar(&o.Cluster, "cluster", "default", "`name` of the cluster; nodes and data of others are refused")
	f.Var(&o.peers, "peers", "the first members, the same for each of them; "+nonVoterSuffix+" behind one without a vote")
	f.BoolVar(&o.Join, "join", false, "wait to be added to a cluster that is there")
	f.StringVar(&o.Bind, "bind", "", "`HOST:PORT` to listen at for the other nodes (default that of this node in --peers)")
	f.StringVar(&o.Advertise, "advertise", "", "`HOST:PORT` at which the other nodes reach this one (default --bind)")

	f.StringVar(&o.API, "api", defaultListen, "`HOST:PORT` to serve the API at; its environment variable is RAFTD_LISTEN, as RAFTD_API is for clients")
	setVariable(cmd, "api", envPrefix+"LISTEN")
	f.StringVar(&o.APIURL, "api-url", "", "`URL` at which others reach the API (default --api, with the host of --advertise or --bind where it has none)")
	f.BoolVar(&o.Forward, "forward", false, "ask the leader in the place of clients, instead of telling them who leads")
	f.StringVar(&o.TokenFile, "token-file", "", "`file` with the tokens, one in each line, of which clients must have one")
	f.BoolVar(&o.Insecure, "insecure", false, "let everybody who reaches the API change things, though it is not on a loopback address")
	f.DurationVar(&o.RequestTimeout, "request-timeout", 10*time.Second, "`time` to answer a client's request in")
	f.IntVar(&o.MaxConnections, "max-connections", 4096, "`number` of connections of clients that may be open; more have to wait")

	f.StringVar(&o.Data, "data", "", "`directory` for the node's data, of its own; it is made if it is missing")
	f.StringVar(&o.Store, "store", string(raftd.DefaultStore), "`kind` or URL of the storage: pebble, badger, bbolt, memory, postgres://...")
	completeFlag(cmd, "store", "pebble", "badger", "bbolt", "memory", "postgres://")
	f.StringVar(&o.Table, "table", "", "`name` of the table in PostgreSQL, with its schema and a dot where wanted (default raftd_ and the ID)")
	f.DurationVar(&o.SnapshotInterval, "snapshot-interval", 0, "`time` between two looks whether a snapshot is due (default 2m)")
	f.Uint64Var(&o.SnapshotThreshold, "snapshot-threshold", 0, "`number` of entries that makes one due (default 8192)")
	f.Uint64Var(&o.TrailingLogs, "trailing-logs", 0, "`number` of entries to keep behind a snapshot, for nodes that are a little late (default 10240)")
	f.IntVar(&o.MaxCommand, "max-command-size", 0, "`bytes` above which a command is refused (default 1048576)")

	f.StringVar(&o.Transport, "transport", raftd.TCP, "`kind` of connections between nodes, the same for all: tcp or grpc")
	completeFlag(cmd, "transport", raftd.TCP, raftd.GRPC)
	f.StringVar(&o.TLS.Cert, "tls-cert", "", "PEM `file` of this node's certificate; turns TLS on")
	f.StringVar(&o.TLS.Key, "tls-key", "", "PEM `file` of its key")
	f.StringVar(&o.TLS.CA, "tls-ca", "", "PEM `file` of the authorities of all nodes' certificates")
	f.StringVar(&o.APITLS.Cert, "api-tls-cert", "", "PEM `file` of the API's certificate (default --tls-cert)")
	f.StringVar(&o.APITLS.Key, "api-tls-key", "", "PEM `file` of its key (default --tls-key)")
	f.StringVar(&o.APITLS.CA, "api-tls-ca", "", "PEM `file` of the authorities of clients' certificates (default --tls-ca, with --tls-cert alone)")

	f.StringVar(&o.Discovery, "discovery", "", "`URL` of a list of nodes from which members are added")
	f.DurationVar(&o.RemoveAbsent, "remove-absent", 0, "`time` after which members are removed that the list has not had (default never)")

	f.DurationVar(&o.ElectionMin, "election-timeout-min", 0, "`time` without a leader after which a node stands for election, at the least (default 500ms)")
	f.DurationVar(&o.ElectionMax, "election-timeout-max", 0, "checked only: the engine draws up to twice the least (`time`, default that)")
	f.DurationVar(&o.Heartbeat, "heartbeat-interval", 0, "checked only: a leader is heard of every tenth to fifth of the least election time-out (`time`, default a fifth)")
	f.DurationVar(&o.StopTimeout, "stop-timeout", 10*time.Second, "`time` in which to hand leadership on and to answer what is under way, at the end")
}

func (a *App) run(cmd *cobra.Command, o *runOptions) error {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	stop := a.interruptible(cancel) // first, since a file may not come to an end
	defer stop()
	if o.config != "" {
		if err := bindFile(cmd.Flags(), o.config); err != nil {
			return err
		}
	}
	log, err := a.logger()
	if err != nil {
		return err
	}
	o.Logger, o.Peers = log, o.peers
	o.Version = readBuild().Version
	if err := o.Check(); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	err = a.Run(ctx, o.Options)
	var interrupted *exitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &interrupted): // before it ran
		return err
	case errors.Is(err, consensus.ErrConfig):
		return &exitError{code: exitUsage, err: err}
	case consensus.IsFatal(err) && !errors.Is(err, consensus.ErrStorageUnavailable):
		return &exitError{code: exitState, err: err}
	}
	return &exitError{code: exitFailure, err: err}
}
