// Package dns is the discovery that reads the list of nodes from DNS records, which somebody else keeps: an
// administrator, or Kubernetes for a headless service.
//
//	nodes, err := dns.New(dns.Options{Name: "_raft._tcp.raft.default.svc.cluster.local"})
//
// SRV records are the recommended ones: they give each node's name, which stays the same when its IP address
// changes, and its port. The ID of a node is the first label of that name, as the pods of a StatefulSet are called
// ("raft-0"), unless [Options].ID says otherwise. A node must be configured with the same ID, and with the same name and port as the
// address it advertises.
//
// A and AAAA records give IP addresses and nothing else. The port is then the same for all, and a node's ID is its
// address ("10.0.0.7"): the only name that all readers of the record agree on. A node that gets another address is another
// node.
//
// # What cannot be seen is not gone
//
// An answer without any record, the answer that there is no such name, and an answer of which only a part could be
// had, are taken for a failure, like no answer at all: [discovery.Discovery].GetNodes says so, and Watch sends nothing. A name
// under which a cluster runs has records, so their absence tells of the directory and not of the nodes. A name with more than
// 256 records is taken for a mistake.
//
// Names are looked up by the operating system's configuration (search domains, /etc/hosts for A and AAAA records)
// but always by Go's own resolver. A name that ends in a dot is complete and never tried with a search domain. The
// resolver does not tell how long records are valid; they are asked for again every [Options].Interval, and caches on the
// way answer for as long as the records allow.
package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

// Records is a type of DNS record.
type Records string

// The types of records that list nodes.
const (
	SRV  Records = "SRV"  // names and ports
	A    Records = "A"    // IPv4 addresses
	AAAA Records = "AAAA" // IPv6 addresses
)

// ErrNoRecords says that a name does not exist or has no records of the type asked for.
var ErrNoRecords = errors.New("no records")

// Options says where the list is. Name is required, and Port for A and AAAA records.
type Options struct {
	// Name is the name that is looked up, such as "_raft._tcp.raft.default.svc.cluster.local" for SRV records and
	// "raft.default.svc.cluster.local" for the others.
	Name string
	// Records is the type of the records. Defaults to SRV.
	Records Records
	// Port is that of every node found by an A or AAAA record. SRV records have their own.
	Port int
	// ID makes the ID of a node from its name, or its address for A and AAAA records. Defaults to FirstLabel for SRV
	// records and to WholeName for the others.
	ID func(host string) string
	// NonVoters is set where the nodes of this name shall follow without a vote.
	NonVoters bool
	// Interval is the time from one answer to the next question. Defaults to 5s.
	Interval time.Duration
	// Timeout bounds one look-up with all its attempts. Defaults to 10s.
	Timeout time.Duration
	// Server is the host and port of the name server to ask. Defaults to those of the operating system.
	Server string
	// Logger defaults to slog.Default().
	Logger *slog.Logger
}

// FirstLabel returns what stands before the first dot of a name: the name of the pod in Kubernetes.
func FirstLabel(host string) string {
	label, _, _ := strings.Cut(host, ".")
	return label
}

// WholeName returns the name, or the address, as it is.
func WholeName(host string) string { return host }

// New checks the options. Registering and unregistering a node has no effect.
func New(options Options) (discovery.Discovery, error) {
	o := options
	o.Records = cmp.Or(o.Records, SRV)
	o.Interval = cmp.Or(o.Interval, 5*time.Second)
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	if o.ID == nil {
		o.ID = WholeName
		if o.Records == SRV {
			o.ID = FirstLabel
		}
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("DNS discovery: %w", err)
	}
	return directory.New(&source{options: o, resolver: newResolver(o.Server)}, o.Logger), nil
}

func (o Options) check() error {
	if strings.Trim(o.Name, ".") == "" {
		return errors.New("name is missing: give the one whose records list the nodes")
	}
	if _, err := netip.ParseAddr(o.Name); err == nil {
		return fmt.Errorf("name %s is an IP address, which has no records", o.Name)
	}
	switch o.Records {
	case SRV:
		if o.Port != 0 {
			return fmt.Errorf("port %d would be without effect: SRV records have their own", o.Port)
		}
	case A, AAAA:
		if o.Port < 1 || o.Port > 65535 {
			return fmt.Errorf("port %d is not between 1 and 65535: %s records have none, so it has to be given", o.Port, o.Records)
		}
	default:
		return fmt.Errorf("records of type %q: only SRV, A and AAAA list nodes", o.Records)
	}
	if o.Interval < 0 || o.Timeout < 0 {
		return fmt.Errorf("interval %v and time-out %v must not be negative", o.Interval, o.Timeout)
	}
	if o.Server != "" {
		host, port, err := net.SplitHostPort(o.Server)
		if err != nil || host == "" || port == "" {
			return fmt.Errorf("server %q is not a host and port, such as 10.96.0.10:53", o.Server)
		}
	}
	return nil
}

// source is the name with its records.
type source struct {
	directory.ReadOnly
	options  Options
	resolver *net.Resolver
}

func (s *source) String() string {
	return fmt.Sprintf("%s records of %s", s.options.Records, s.options.Name)
}

func (s *source) Open() error  { return nil }
func (s *source) Close() error { return nil }

func (s *source) Follow(ctx context.Context, send func([]directory.Entry)) error {
	for ctx.Err() == nil {
		entries, err := s.List(ctx)
		if err != nil {
			return err
		}
		send(entries)
		directory.Pause(ctx, s.options.Interval)
	}
	return ctx.Err()
}

func (s *source) List(ctx context.Context) ([]directory.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	look := s.addresses
	if s.options.Records == SRV {
		look = s.services
	}
	entries, err := look(ctx)
	var answer *net.DNSError
	switch {
	case errors.As(err, &answer) && answer.IsNotFound, err == nil && len(entries) == 0:
		return nil, fmt.Errorf("%w: the name does not exist or is empty, which says nothing about the nodes", ErrNoRecords)
	case err != nil && answer != nil && s.options.Server != "":
		asked := *answer
		asked.Server = s.options.Server // the resolver names the one it would have asked
		return nil, &asked
	case err != nil:
		return nil, err
	}
	return entries, nil
}

// services reads SRV records. Records with impossible names come as an error beside the others.
func (s *source) services(ctx context.Context) ([]directory.Entry, error) {
	_, records, err := s.resolver.LookupSRV(ctx, "", "", s.options.Name)
	if err != nil && len(records) == 0 {
		return nil, err
	}
	var entries []directory.Entry
	if err != nil {
		entries = append(entries, directory.Entry{Name: "a record", Err: err})
	}
	for _, record := range records {
		// Names of hosts are the same in any case, IDs of nodes are not.
		host := strings.ToLower(strings.TrimSuffix(record.Target, "."))
		if host == "" {
			continue // says that there is no such service (RFC 2782)
		}
		entries = append(entries, s.entry(host, int(record.Port)))
	}
	return entries, nil
}

func (s *source) addresses(ctx context.Context) ([]directory.Entry, error) {
	network := "ip4"
	if s.options.Records == AAAA {
		network = "ip6"
	}
	ips, err := s.resolver.LookupNetIP(ctx, network, s.options.Name)
	if err != nil {
		return nil, err
	}
	entries := make([]directory.Entry, 0, len(ips))
	for _, ip := range ips {
		entries = append(entries, s.entry(ip.Unmap().String(), s.options.Port))
	}
	return entries, nil
}

func (s *source) entry(host string, port int) directory.Entry {
	return directory.Entry{
		Name: "record " + net.JoinHostPort(host, fmt.Sprint(port)),
		Node: discovery.Node{ID: s.options.ID(host), Address: host, Port: port, Voter: !s.options.NonVoters},
	}
}
