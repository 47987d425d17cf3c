//go:build linux

// Command bench measures what a cluster costs, side by side with the engine alone and with etcd, in one run:
//
//	go run ./bench -quick                                     # about a minute, rough
//	go run ./bench -markdown docs/performance.md -json x.json # about a quarter of an hour
//	go run ./bench -parts overhead -overhead-stores pebble
//
// Everything runs on this machine, on loopback, three nodes to a cluster. Rounds of what is compared alternate, so that what
// else the machine does falls on all of them, and medians are reported; a quiet machine is still needed. Postgres and etcd
// must be installed, or be left out with -stores and -etcd=false. All data are in one directory, which is removed at the end.
//
// The parts:
//
//   - commits: commands committed per second, and their latency, of every store over every transport, by some clients with
//     one command each at a time. Beside it the engine with its own log in memory and its own transport, and etcd.
//   - overhead: ours in pairs with the bare engine on the same storage and transport with the same configuration.
//   - reads: linearizable reads.
//   - failover: the leader is cut off, or its process is killed; until another node has committed a command.
//   - handover: the same after TransferLeadership and Stop.
//   - restore: a large snapshot is written, sent to a new node, and restored at a start; in processes of their own.
//   - idle: what nodes use that nobody asks for anything.
//
// With -markdown, the part of the file between these lines is replaced:
//
//	<!-- measured: begin -->
//	<!-- measured: end -->
package main
