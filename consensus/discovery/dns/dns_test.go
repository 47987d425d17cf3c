package dns_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/dns"
)

func started(t *testing.T, options dns.Options) discovery.Discovery {
	t.Helper()
	d := open(t, options)
	require.NoError(t, d.Start(t.Context()))
	t.Cleanup(func() { assert.NoError(t, d.Stop(context.Background())) })
	return d
}

func TestNodesAreCalledByTheFirstLabelOfTheirName(t *testing.T) {
	server := newNameServer(t)
	server.set(t, service,
		service+" 5 IN SRV 0 33 7000 raft-1.raft.default.svc.cluster.local.",
		service+" 5 IN SRV 5 33 7001 RAFT-0.raft.default.svc.cluster.local.")
	nodes, err := started(t, dns.Options{Name: service, Server: server.address}).GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{
		{ID: "raft-0", Address: "raft-0.raft.default.svc.cluster.local", Port: 7001, Voter: true},
		{ID: "raft-1", Address: "raft-1.raft.default.svc.cluster.local", Port: 7000, Voter: true},
	}, nodes)

	whole, err := started(t, dns.Options{Name: service, Server: server.address, ID: dns.WholeName, NonVoters: true}).GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, discovery.Node{ID: "raft-0.raft.default.svc.cluster.local", Address: "raft-0.raft.default.svc.cluster.local",
		Port: 7001}, whole[0])
}

func TestNodesWithoutANameAreCalledByTheirAddress(t *testing.T) {
	server := newNameServer(t)
	server.set(t, "raft.test.", "raft.test. 5 IN AAAA 2001:DB8::1", "raft.test. 5 IN A 10.0.0.7", "raft.test. 5 IN A 10.0.0.10")
	ask := func(records dns.Records) []discovery.Node {
		d := started(t, dns.Options{Name: "raft.test.", Records: records, Port: 7000, Server: server.address})
		nodes, err := d.GetNodes(t.Context())
		require.NoError(t, err)
		return nodes
	}
	assert.Equal(t, []discovery.Node{
		{ID: "10.0.0.10", Address: "10.0.0.10", Port: 7000, Voter: true},
		{ID: "10.0.0.7", Address: "10.0.0.7", Port: 7000, Voter: true},
	}, ask(dns.A))
	assert.Equal(t, []discovery.Node{{ID: "2001:db8::1", Address: "2001:db8::1", Port: 7000, Voter: true}}, ask(dns.AAAA))
}

func TestRepeatedRecordsAreOneNode(t *testing.T) {
	server := newNameServer(t)
	server.set(t, service, service+" 5 IN SRV 0 1 7000 n1.raft.test.", service+" 5 IN SRV 9 9 7000 N1.raft.test.")
	nodes, err := started(t, dns.Options{Name: service, Server: server.address}).GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{{ID: "n1", Address: "n1.raft.test", Port: 7000, Voter: true}}, nodes)
}

// Whatever is missing, the nodes are not gone.
func TestAnswersWithoutRecordsAreFailures(t *testing.T) {
	server := newNameServer(t)
	record := service + " 5 IN SRV 0 1 7000 n1.raft.test."
	server.set(t, service, record)
	d := started(t, dns.Options{Name: service, Server: server.address, Timeout: time.Second})
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	expected := []discovery.Node{{ID: "n1", Address: "n1.raft.test", Port: 7000, Voter: true}}
	require.Equal(t, expected, <-lists)

	for _, test := range []struct {
		name      string
		fault     fault
		records   []string
		noRecords bool
	}{
		{"no such name", failing(mdns.RcodeNameError), []string{record}, true},
		{"no records of the type", nil, []string{service + " 5 IN TXT empty"}, true},
		{"no such service", nil, []string{service + " 5 IN SRV 0 0 0 ."}, true},
		{"server failure", failing(mdns.RcodeServerFailure), []string{record}, false},
		{"refused", failing(mdns.RcodeRefused), []string{record}, false},
		{"no answer", mute, []string{record}, false},
		{"cut off, and nothing over TCP", cutOff(mute), []string{record}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.set(t, service, test.records...)
			server.break_(test.fault)
			var err error
			require.Eventually(t, func() bool {
				_, err = d.GetNodes(t.Context())
				return err != nil && errors.Is(err, dns.ErrNoRecords) == test.noRecords
			}, 30*time.Second, time.Millisecond, "%v", err)
			assert.ErrorContains(t, err, service)
			select {
			case nodes := <-lists:
				// It had been looked up before this fault.
				assert.Equal(t, expected, nodes)
			case <-time.After(100 * time.Millisecond):
			}
			select {
			case nodes := <-lists:
				assert.Fail(t, "list was sent", "%+v", nodes)
			case <-time.After(200 * time.Millisecond):
			}
			server.set(t, service, record)
			server.break_(nil)
			assert.Equal(t, expected, <-lists)
		})
	}
}

// cutOff says over UDP that the answer does not fit, and hands questions over TCP on.
func cutOff(overTCP fault) fault {
	return func(w mdns.ResponseWriter, question *mdns.Msg) bool {
		if w.RemoteAddr().Network() == "tcp" {
			return overTCP(w, question)
		}
		answer := new(mdns.Msg)
		answer.SetReply(question)
		answer.Truncated = true
		_ = w.WriteMsg(answer)
		return true
	}
}

func TestAnswersTooLongForAPacketAreReadOverTCP(t *testing.T) {
	server := newNameServer(t)
	var records []string
	for i := range 200 {
		records = append(records, fmt.Sprintf("%s 5 IN SRV 0 1 7000 n%03d.raft.test.", service, i))
	}
	server.set(t, service, records...)
	nodes, err := started(t, dns.Options{Name: service, Server: server.address}).GetNodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 200)
	assert.Equal(t, "n199", nodes[199].ID)
	_, overTCP := server.questions()
	assert.Positive(t, overTCP)
}

func TestNamesWithMoreRecordsThanAClusterCanHaveAreRefused(t *testing.T) {
	server := newNameServer(t)
	var records []string
	for i := range 300 {
		records = append(records, fmt.Sprintf("%s 5 IN SRV 0 1 7000 n%03d.raft.test.", service, i))
	}
	server.set(t, service, records...)
	d := started(t, dns.Options{Name: service, Server: server.address})
	_, err := d.GetNodes(t.Context())
	require.ErrorContains(t, err, "more than 256 entries")
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	server.set(t, service, service+" 5 IN SRV 0 1 7000 n1.raft.test.")
	assert.Len(t, <-lists, 1)
}

func TestStopDoesNotWaitForAServerThatDoesNotAnswer(t *testing.T) {
	server := newNameServer(t)
	server.break_(mute)
	for _, records := range []dns.Records{dns.SRV, dns.A} {
		options := dns.Options{Name: service, Records: records, Server: server.address, Timeout: time.Hour}
		if records == dns.A {
			options.Port = 7000
		}
		d := open(t, options)
		require.NoError(t, d.Start(t.Context()))
		before, _ := server.questions()
		lists, err := d.Watch(t.Context())
		require.NoError(t, err)
		require.Eventually(t, func() bool { asked, _ := server.questions(); return asked > before }, 30*time.Second, time.Millisecond)
		began := time.Now()
		require.NoError(t, d.Stop(t.Context()))
		assert.Less(t, time.Since(began), 4*time.Second, records) // the resolver itself waits for 5 s
		_, open := <-lists
		assert.False(t, open)
	}
}

func TestServerThatIsNotThereIsAFailure(t *testing.T) {
	d := started(t, dns.Options{Name: service, Server: "127.0.0.1:1"})
	_, err := d.GetNodes(t.Context())
	require.ErrorContains(t, err, service)
	assert.ErrorContains(t, err, "127.0.0.1:1")
	assert.NotErrorIs(t, err, dns.ErrNoRecords)
}

func TestImpossibleOptionsAreRefused(t *testing.T) {
	for _, test := range []struct {
		options dns.Options
		names   string
	}{
		{dns.Options{}, "name is missing"},
		{dns.Options{Name: "."}, "name is missing"},
		{dns.Options{Name: "10.0.0.1", Records: dns.A, Port: 1}, "10.0.0.1"},
		{dns.Options{Name: "a", Port: 1}, "port 1 would be without effect"},
		{dns.Options{Name: "a", Records: dns.A}, "port 0"},
		{dns.Options{Name: "a", Records: dns.AAAA, Port: 65536}, "port 65536"},
		{dns.Options{Name: "a", Records: "TXT"}, `"TXT"`},
		{dns.Options{Name: "a", Interval: -1}, "-1ns"},
		{dns.Options{Name: "a", Timeout: -1}, "-1ns"},
		{dns.Options{Name: "a", Server: "10.0.0.1"}, "10.0.0.1"},
		{dns.Options{Name: "a", Server: ":53"}, ":53"},
	} {
		_, err := dns.New(test.options)
		assert.ErrorContains(t, err, test.names)
	}
}

func TestRecordsOfDnsmasqAreRead(t *testing.T) {
	server := startDnsmasq(t,
		"--srv-host=_raft._tcp.raft.test,raft-0.raft.test,7000",
		"--srv-host=_raft._tcp.raft.test,raft-1.raft.test,7001",
		"--host-record=nodes.raft.test,10.0.0.7,2001:db8::7")
	for _, test := range []struct {
		options  dns.Options
		expected []discovery.Node
	}{
		{dns.Options{Name: service}, []discovery.Node{
			{ID: "raft-0", Address: "raft-0.raft.test", Port: 7000, Voter: true},
			{ID: "raft-1", Address: "raft-1.raft.test", Port: 7001, Voter: true},
		}},
		{dns.Options{Name: "nodes.raft.test.", Records: dns.A, Port: 7000}, []discovery.Node{
			{ID: "10.0.0.7", Address: "10.0.0.7", Port: 7000, Voter: true},
		}},
		{dns.Options{Name: "nodes.raft.test.", Records: dns.AAAA, Port: 7000}, []discovery.Node{
			{ID: "2001:db8::7", Address: "2001:db8::7", Port: 7000, Voter: true},
		}},
	} {
		test.options.Server = server
		nodes, err := started(t, test.options).GetNodes(t.Context())
		require.NoError(t, err)
		assert.Equal(t, test.expected, nodes)
	}
	_, err := started(t, dns.Options{Name: "_other._tcp.raft.test.", Server: server}).GetNodes(t.Context())
	assert.ErrorIs(t, err, dns.ErrNoRecords)
}
