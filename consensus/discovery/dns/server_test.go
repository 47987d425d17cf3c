package dns_test

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	mdns "github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// nameServer is a DNS server with one zone, on UDP and TCP.
type nameServer struct {
	address  string
	udp, tcp *mdns.Server

	mu      sync.Mutex
	records map[string][]mdns.RR // by lower-case name
	fault   fault
	asked   int // questions, over both protocols
	overTCP int
}

// fault is what goes wrong with a question before the records are looked at; nil for nothing.
type fault func(w mdns.ResponseWriter, question *mdns.Msg) (handled bool)

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	s := &nameServer{records: map[string][]mdns.RR{}}
	packets, listener := listen(t)
	s.address = packets.LocalAddr().String()
	s.udp = s.serve(t, &mdns.Server{PacketConn: packets})
	s.tcp = s.serve(t, &mdns.Server{Listener: listener})
	return s
}

// listen finds a port that is free for both protocols.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		listener, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener
		}
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.NoError(t, packets.Close())
	}
}

func (s *nameServer) serve(t *testing.T, server *mdns.Server) *mdns.Server {
	t.Helper()
	ready, ended := make(chan struct{}), make(chan error, 1)
	server.Handler = s
	server.NotifyStartedFunc = func() { close(ready) }
	go func() { ended <- server.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown())
		require.NoError(t, <-ended)
	})
	return server
}

// set replaces all records of the name. Without any, the name does not exist.
func (s *nameServer) set(t *testing.T, name string, records ...string) {
	t.Helper()
	var parsed []mdns.RR
	for _, record := range records {
		rr, err := mdns.NewRR(record)
		require.NoError(t, err, record)
		parsed = append(parsed, rr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[strings.ToLower(name)] = parsed
}

func (s *nameServer) break_(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *nameServer) questions() (all, overTCP int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.overTCP
}

func (s *nameServer) ServeDNS(w mdns.ResponseWriter, question *mdns.Msg) {
	_, tcp := w.RemoteAddr().(*net.TCPAddr)
	s.mu.Lock()
	s.asked++
	if tcp {
		s.overTCP++
	}
	f := s.fault
	found := s.records[strings.ToLower(question.Question[0].Name)]
	s.mu.Unlock()
	if f != nil && f(w, question) {
		return
	}
	answer := new(mdns.Msg)
	answer.SetReply(question)
	answer.Authoritative = true
	if len(found) == 0 {
		answer.Rcode = mdns.RcodeNameError
	}
	for _, rr := range found {
		if rr.Header().Rrtype == question.Question[0].Qtype {
			answer.Answer = append(answer.Answer, rr)
		}
	}
	if !tcp {
		size := mdns.MinMsgSize
		if option := question.IsEdns0(); option != nil {
			size = int(option.UDPSize())
		}
		answer.Truncate(size)
	}
	_ = w.WriteMsg(answer)
}

// failing answers every question with a code.
func failing(code int) fault {
	return func(w mdns.ResponseWriter, question *mdns.Msg) bool {
		answer := new(mdns.Msg)
		answer.SetRcode(question, code)
		_ = w.WriteMsg(answer)
		return true
	}
}

// mute answers nothing.
func mute(mdns.ResponseWriter, *mdns.Msg) bool { return true }
