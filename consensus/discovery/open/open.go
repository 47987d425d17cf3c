// Package open makes a discovery from a URL, for commands and configuration files.
//
//	static://n1=10.0.0.1:7000,n2=10.0.0.2:7000,n3=10.0.0.3:7000/nonvoter
//
// A fixed list. Nodes without a vote end in /nonvoter.
//
//	dns+srv://_raft._tcp.raft.default.svc.cluster.local
//	dns+a://raft.example.com:7000
//	dns+aaaa://raft.example.com:7000
//
// SRV records of a name, or A or AAAA records with the port of all nodes. Parameters: interval (5s) and timeout (10s) of
// look-ups; server, the host and port of the name server to ask; nonvoters=true if the nodes have no vote; for SRV
// records id=whole-name if the ID of a node is all of its name and not the first label.
//
//	consul://127.0.0.1:8500/raft-orders
//
// A service of Consul, from the agent at this address. Parameters: dc, the datacenter; ttl (15s) and forget (10m), the times
// after which a dead node is off the list and forgotten. The token is in the file of the parameter token-file, or else in
// the environment variable CONSUL_HTTP_TOKEN.
//
//	etcd://10.0.0.1:2379,10.0.0.2:2379/raft/orders/
//
// Keys of etcd that begin with the path. Parameters: ttl (15s), after which a dead node is off the list; user, the user's name.
// The password is in the file of the parameter password-file, or else in the environment variable ETCDCTL_PASSWORD.
//
// Consul and etcd are talked to over TLS with the parameter tls=true, or with any of ca, cert and key: PEM files of the
// authorities of the server's certificate, of the client's certificate and of its key. The client's certificate is read again for
// each connection.
//
// A secret in a URL is refused, since URLs are logged and shown by ps. Errors show neither secrets nor the URL.
package open

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/consul"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/dns"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/etcd"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/static"
)

type opener func(*address, *slog.Logger) (discovery.Discovery, error)

// schemes are how a URL can begin.
var schemes = map[string]opener{
	"static":   openStatic,
	"dns+srv":  openDNS(dns.SRV),
	"dns+a":    openDNS(dns.A),
	"dns+aaaa": openDNS(dns.AAAA),
	"consul":   openConsul,
	"etcd":     openEtcd,
}

// Open returns the discovery that the URL names, not started. A nil logger means slog.Default().
func Open(rawURL string, logger *slog.Logger) (discovery.Discovery, error) {
	scheme, rest, found := strings.Cut(rawURL, "://")
	open, known := schemes[scheme]
	if !found || !known {
		return nil, fmt.Errorf("discovery URL: it begins with none of %s", beginnings())
	}
	d, err := openAddress(open, rest, logger)
	if err != nil {
		return nil, fmt.Errorf("discovery URL %s://...: %w", scheme, err)
	}
	return d, nil
}

func openAddress(open opener, rest string, logger *slog.Logger) (discovery.Discovery, error) {
	a, err := parse(rest)
	if err != nil {
		return nil, err
	}
	return open(a, logger)
}

func beginnings() string {
	var all []string
	for scheme := range schemes {
		all = append(all, scheme+"://")
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func openStatic(a *address, _ *slog.Logger) (discovery.Discovery, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	list := a.hosts
	if a.path != "" { // the first slash was that of a node without a vote
		list += "/" + a.path
	}
	var nodes []discovery.Node
	for item := range strings.SplitSeq(list, ",") {
		place, nonVoter := strings.CutSuffix(item, "/nonvoter")
		id, hostPort, found := strings.Cut(place, "=")
		host, digits, err := net.SplitHostPort(hostPort)
		if !found || err != nil {
			return nil, fmt.Errorf("node %q is not of the form id=host:port", item)
		}
		port, err := strconv.Atoi(digits)
		if err != nil {
			return nil, fmt.Errorf("node %q: port %q is not a number", item, digits)
		}
		nodes = append(nodes, discovery.Node{ID: id, Address: host, Port: port, Voter: !nonVoter})
	}
	d, err := static.New(nodes...)
	if err != nil {
		return nil, err // and no interface around a nil pointer
	}
	return d, nil
}

func openDNS(records dns.Records) opener {
	return func(a *address, logger *slog.Logger) (discovery.Discovery, error) {
		if a.path != "" {
			return nil, fmt.Errorf("path /%s after the name", a.path)
		}
		o := dns.Options{
			Name: a.hosts, Records: records, Interval: a.duration("interval"), Timeout: a.duration("timeout"),
			Server: a.text("server"), NonVoters: a.boolean("nonvoters"), Logger: logger,
		}
		name, digits, err := net.SplitHostPort(a.hosts)
		switch {
		case records == dns.SRV && strings.Contains(a.hosts, ":"):
			return nil, fmt.Errorf("name %q has a port: SRV records have their own", a.hosts)
		case records == dns.SRV:
			o.ID = a.nodeID()
		case err != nil:
			return nil, fmt.Errorf("%q is not a name and the port of all nodes, such as raft.example.com:7000", a.hosts)
		default:
			o.Name = name
			if o.Port, err = strconv.Atoi(digits); err != nil {
				return nil, fmt.Errorf("port %q is not a number", digits)
			}
		}
		if err := a.done(); err != nil {
			return nil, err
		}
		return dns.New(o)
	}
}

func (a *address) nodeID() func(host string) string {
	switch id := a.text("id"); id {
	case "", "first-label":
		return dns.FirstLabel
	case "whole-name":
		return dns.WholeName
	default:
		a.fail(fmt.Errorf("parameter id is %.40q, neither first-label nor whole-name", id))
		return nil
	}
}

func openConsul(a *address, logger *slog.Logger) (discovery.Discovery, error) {
	o := consul.Options{
		Address: a.hosts, Service: a.path, Datacenter: a.text("dc"), TTL: a.duration("ttl"), ForgetAfter: a.duration("forget"),
		Token: a.secret("token-file", "CONSUL_HTTP_TOKEN"), TLS: a.tls(), Logger: logger,
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return consul.New(o)
}

func openEtcd(a *address, logger *slog.Logger) (discovery.Discovery, error) {
	o := etcd.Options{
		Endpoints: strings.Split(a.hosts, ","), Prefix: "/" + a.path, TTL: a.duration("ttl"), Username: a.text("user"),
		TLS: a.tls(), Logger: logger,
	}
	if o.Username != "" {
		o.Password = a.secret("password-file", "ETCDCTL_PASSWORD")
		if o.Password == "" {
			a.fail(errors.New("user needs a password, in the file of the parameter password-file or in ETCDCTL_PASSWORD"))
		}
	} else if a.text("password-file") != "" {
		a.fail(errors.New("parameter password-file needs the parameter user"))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return etcd.New(o)
}
