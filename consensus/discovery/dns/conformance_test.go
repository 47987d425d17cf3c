package dns_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/discoverytest"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/dns"
)

const service = "_raft._tcp.raft.test."

func TestSRVRecordsConform(t *testing.T) {
	discoverytest.Run(t, func(t *testing.T) discoverytest.Directory {
		t.Helper()
		server := newNameServer(t)
		var extra []string
		return discoverytest.Directory{
			New: func(t *testing.T, logger *slog.Logger) discovery.Discovery {
				t.Helper()
				return open(t, dns.Options{Name: service, Server: server.address, Logger: logger})
			},
			Set: func(t *testing.T, nodes []discovery.Node) {
				t.Helper()
				records := append([]string{}, extra...)
				for _, node := range nodes {
					records = append(records, fmt.Sprintf("%s 1 IN SRV 0 10 %d %s.", service, node.Port, node.Address))
				}
				server.set(t, service, records...)
			},
			Node: func(name string) discovery.Node {
				return discovery.Node{ID: name, Address: name + ".raft.test", Port: 7000, Voter: true}
			},
			Garble: func(t *testing.T, twice discovery.Node) []string {
				t.Helper()
				extra = []string{
					service + " 1 IN SRV 0 10 0 portless.raft.test.",
					fmt.Sprintf("%s 1 IN SRV 0 10 7001 %s.", service, twice.Address),
					service + ` 1 IN SRV 0 10 7000 odd\032name.raft.test.`,
					service + " 1 IN SRV 0 10 7000 .",
				}
				records := append([]string{}, extra...)
				for _, name := range []string{"n1", "n2"} {
					records = append(records, fmt.Sprintf("%s 1 IN SRV 0 10 7000 %s.raft.test.", service, name))
				}
				server.set(t, service, records...)
				return []string{"portless", "n1 is listed again", "invalid"}
			},
			Down:           func(*testing.T) { server.break_(failing(mdns.RcodeServerFailure)) },
			Up:             func(*testing.T) { server.break_(nil) },
			EmptyIsUnknown: true,
		}
	})
}

func TestARecordsConform(t *testing.T) {
	const name = "nodes.raft.test."
	discoverytest.Run(t, func(t *testing.T) discoverytest.Directory {
		t.Helper()
		server := newNameServer(t)
		return discoverytest.Directory{
			New: func(t *testing.T, logger *slog.Logger) discovery.Discovery {
				t.Helper()
				return open(t, dns.Options{Name: name, Records: dns.A, Port: 7000, Server: server.address, Logger: logger})
			},
			Set: func(t *testing.T, nodes []discovery.Node) {
				t.Helper()
				var records []string
				for _, node := range nodes {
					records = append(records, fmt.Sprintf("%s 1 IN A %s", name, node.Address))
				}
				server.set(t, name, records...)
			},
			Node: func(name string) discovery.Node {
				ip := "10.0.0." + strings.TrimPrefix(name, "n")
				return discovery.Node{ID: ip, Address: ip, Port: 7000, Voter: true}
			},
			Down:           func(*testing.T) { server.break_(failing(mdns.RcodeRefused)) },
			Up:             func(*testing.T) { server.break_(nil) },
			EmptyIsUnknown: true,
		}
	})
}

// open creates a discovery that asks often.
func open(t *testing.T, options dns.Options) discovery.Discovery {
	t.Helper()
	if options.Interval == 0 {
		options.Interval = 10 * time.Millisecond
	}
	d, err := dns.New(options)
	require.NoError(t, err)
	return d
}
