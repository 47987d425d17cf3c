package redis

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	defaultTimeout = 5 * time.Second
	// reloadInterval is how often the client of a cluster asks for its nodes without a reason.
	reloadInterval = 10 * time.Second

	serverPort   = "6379"
	sentinelPort = "26379"
)

// Open opens a storage from a URL. It makes no request. The URL is
//
//	redis://user:password@host:port/database?parameter=value&...
//
// or rediss: for TLS. User and password may be missing (":password@" is that of the default user),
// as may the port and the number of the database. The parameters are
//
//   - prefix: is joined with each key by a slash; defaults to none;
//   - master_name: the host is that of a sentinel, which knows the primary by that name;
//     sentinel_username and sentinel_password are for the sentinels, if those want any;
//   - cluster: true or false, whether the host is a node of a cluster; defaults to false;
//   - addr: the host:port of a further sentinel or node, once for each; without master_name it
//     implies cluster=true;
//   - ca_file: the certificate authorities that the server's certificate is verified with, in PEM;
//     defaults to those of the system;
//   - cert_file, key_file: a certificate for the server to verify and its key, in PEM; read anew for
//     each connection;
//   - server_name: the name in the certificates of all servers; defaults to the host of each;
//   - timeout: of connecting, and of each command from sending it to its answer, such as 2s; defaults
//     to 5s;
//   - pool_size: how many connections there are at most, to each node of a cluster; defaults to 10
//     for each processor (5 in a cluster).
//
// The password is not repeated in errors. Everybody who may list processes can read a URL that is
// an argument of a command; an environment variable is a better place.
func Open(url string) (*Storage, error) {
	u, err := parse(url)
	if err != nil {
		return nil, fmt.Errorf("storage URL for Redis: %w", err)
	}
	if err := u.loadTLS(); err != nil {
		return nil, fmt.Errorf("open Redis storage %s: %w", u.place(), err)
	}
	wires := newWires(u.TLSConfig, u.DialTimeout)
	client := u.newClient(wires)
	s, err := New(client, Options{Prefix: u.prefix})
	if err != nil {
		_ = client.Close() // has no connections yet
		return nil, err
	}
	s.place, s.wires = u.place(), wires
	return s, nil
}

// redisURL is what a URL says.
type redisURL struct {
	goredis.UniversalOptions
	tls    tlsFiles
	prefix string
}

// parse never quotes the URL, which may hold a password.
func parse(address string) (*redisURL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("it cannot be parsed; write it as in redis://user:password@host:6379/0?prefix=jobs, with special characters escaped by %, and further addresses as addr=host:port")
	}
	password, hasPassword := u.User.Password()
	switch {
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return nil, fmt.Errorf("the scheme is %q instead of \"redis\" or \"rediss\"", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("it names no host; write it as in redis://host:6379?prefix=jobs")
	case strings.Contains(u.Hostname(), ","):
		return nil, errors.New("it names several hosts; write the first one there, and each further one as addr=host:port")
	case u.User != nil && !hasPassword:
		return nil, errors.New("it has a user without a password; write redis://USER:PASSWORD@host, or redis://:PASSWORD@host for the default user")
	case u.Fragment != "":
		return nil, errors.New("it has a fragment; write a number sign as %23")
	}
	parsed := &redisURL{tls: tlsFiles{on: u.Scheme == "rediss"}}
	parsed.Username, parsed.Password = u.User.Username(), password
	parsed.DialTimeout = defaultTimeout
	if parsed.DB, err = databaseOf(u.Path); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its parameters cannot be parsed; escape special characters by %")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if err := parsed.set(name, query[name]); err != nil {
			return nil, err
		}
	}
	if err := parsed.complete(u); err != nil {
		return nil, err
	}
	return parsed, nil
}

func databaseOf(path string) (int, error) {
	path = strings.Trim(path, "/")
	if path == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(path)
	if err != nil || number < 0 {
		return 0, fmt.Errorf("its path %s is not the number of a database; if it is meant to come before the keys write it as ?prefix=..., and if it is a part of the password write the slash as %%2F", quoted(path))
	}
	return number, nil
}

// quoted quotes what may be shown. What has an @ may be the end of a password that should have been
// escaped.
func quoted(s string) string {
	if at := strings.LastIndex(s, "@"); at >= 0 {
		s = "..." + s[at:]
	}
	return strconv.Quote(s)
}

var parameters = map[string]func(u *redisURL, value string) error{
	"prefix":            func(u *redisURL, value string) error { u.prefix = value; return nil },
	"master_name":       func(u *redisURL, value string) error { u.MasterName = value; return nil },
	"sentinel_username": func(u *redisURL, value string) error { u.SentinelUsername = value; return nil },
	"sentinel_password": func(u *redisURL, value string) error { u.SentinelPassword = value; return nil },
	"ca_file":           func(u *redisURL, value string) error { u.tls.ca = value; return nil },
	"cert_file":         func(u *redisURL, value string) error { u.tls.cert = value; return nil },
	"key_file":          func(u *redisURL, value string) error { u.tls.key = value; return nil },
	"server_name":       func(u *redisURL, value string) error { u.tls.serverName = value; return nil },
	"addr":              (*redisURL).addAddress,
	"cluster":           (*redisURL).setCluster,
	"timeout":           (*redisURL).setTimeout,
	"pool_size":         (*redisURL).setPoolSize,
}

// refused are parameters that other programs take, and that would break what a storage promises.
var refused = map[string]string{
	"read_only":               "replicas may be behind",
	"replica_only":            "replicas may be behind",
	"route_by_latency":        "replicas may be behind",
	"route_randomly":          "replicas may be behind",
	"max_retries":             "whoever uses the storage decides when to try again",
	"max_redirects":           "whoever uses the storage decides when to try again",
	"skip_verify":             "certificates are always verified; name the authority with ca_file",
	"insecure_skip_verify":    "certificates are always verified; name the authority with ca_file",
	"db":                      "the number of the database is the URL's path",
	"password":                "write it before the host, redis://:PASSWORD@host",
	"username":                "write it before the host, redis://USER:PASSWORD@host",
	"read_timeout":            "write timeout",
	"write_timeout":           "write timeout",
	"dial_timeout":            "write timeout",
	"client_cache":            "a cache may be behind",
	"context_timeout_enabled": "the deadlines of contexts are always heeded",
}

func (u *redisURL) set(name string, values []string) error {
	set, known := parameters[name]
	reason, isRefused := refused[name]
	switch {
	case isRefused:
		return fmt.Errorf("parameter %q is refused: %s", name, reason)
	case !known:
		return fmt.Errorf("unknown parameter %s; known are %s", quoted(name), strings.Join(slices.Sorted(maps.Keys(parameters)), ", "))
	case len(values) != 1 && name != "addr":
		return fmt.Errorf("parameter %q is given %d times", name, len(values))
	}
	for _, value := range values {
		if value == "" {
			return fmt.Errorf("parameter %q is empty", name)
		}
		if err := set(u, value); err != nil {
			return err
		}
	}
	return nil
}

func (u *redisURL) addAddress(value string) error {
	host, port, err := net.SplitHostPort(value)
	if err != nil || host == "" || port == "" || strings.Contains(value, "@") {
		return fmt.Errorf("addr is %s; it must be a host and a port alone, such as redis-2.example.com:6379: user and password of the first host are used for all", quoted(value))
	}
	u.Addrs = append(u.Addrs, value)
	return nil
}

func (u *redisURL) setCluster(value string) error {
	cluster, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("cluster is %q; it must be true or false", value)
	}
	u.IsClusterMode = cluster
	return nil
}

func (u *redisURL) setTimeout(value string) error {
	timeout, err := time.ParseDuration(value)
	if err != nil || timeout <= 0 {
		return fmt.Errorf("timeout is %q; it must be a positive duration such as 2s", value)
	}
	u.DialTimeout = timeout
	return nil
}

func (u *redisURL) setPoolSize(value string) error {
	size, err := strconv.Atoi(value)
	if err != nil || size < 1 {
		return fmt.Errorf("pool_size is %q; it must be a positive number", value)
	}
	u.PoolSize = size
	return nil
}

// complete checks the parts of the URL together, once all are known.
func (u *redisURL) complete(address *url.URL) error {
	query := address.Query()
	switch {
	case u.MasterName != "" && u.IsClusterMode:
		return errors.New("parameters \"master_name\" and \"cluster\" exclude each other: a cluster has no sentinels")
	case u.MasterName == "" && (u.SentinelUsername != "" || u.SentinelPassword != ""):
		return errors.New("it has credentials for sentinels, and no master_name, which tells that the addresses are those of sentinels")
	case u.MasterName == "" && len(u.Addrs) > 0 && query.Has("cluster") && !u.IsClusterMode:
		return errors.New("it has several addresses, which is for a cluster or for sentinels; leave cluster=false out, or add master_name")
	case u.tls.isSet() && !u.tls.on:
		return errors.New("it has parameters for TLS; write rediss: instead of redis:, or leave them out")
	case (u.tls.cert == "") != (u.tls.key == ""):
		return errors.New("parameters \"cert_file\" and \"key_file\" need each other")
	}
	u.IsClusterMode = u.IsClusterMode || u.MasterName == "" && len(u.Addrs) > 0
	if u.IsClusterMode && u.DB != 0 {
		return fmt.Errorf("a cluster has no database %d, only 0; use prefix to keep things apart", u.DB)
	}
	port := address.Port()
	switch {
	case port != "":
	case u.MasterName != "":
		port = sentinelPort
	default:
		port = serverPort
	}
	u.Addrs = slices.Insert(u.Addrs, 0, net.JoinHostPort(address.Hostname(), port))
	return nil
}

// place names the server in errors.
func (u *redisURL) place() string {
	addresses := strings.Join(u.Addrs, ", ")
	switch {
	case u.MasterName != "":
		return fmt.Sprintf("primary %q of sentinels at %s", u.MasterName, addresses)
	case u.IsClusterMode:
		return "cluster at " + addresses
	case u.DB != 0:
		return fmt.Sprintf("at %s, database %d", addresses, u.DB)
	}
	return "at " + addresses
}

// newClient has the client do no more than is asked of it.
func (u *redisURL) newClient(w *wires) goredis.UniversalClient {
	o := &u.UniversalOptions
	o.Dialer, o.TLSConfig, o.OnConnect = w.dial, nil, connected
	o.PoolTimeout = o.DialTimeout
	// Commands of calls have earlier deadlines, also by the client's clock, which is a little late.
	o.ContextTimeoutEnabled = true
	o.ReadTimeout, o.WriteTimeout = o.DialTimeout+time.Second, o.DialTimeout+time.Second
	o.Protocol = 2 // is all that is needed, and does not look for messages without a request
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DisableIdentity = true // a command more for each connection, which some users may not give
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch {
	case o.MasterName != "":
		client := goredis.NewFailoverClient(o.Failover())
		client.AddHook(refusalHook{})
		return client
	case o.IsClusterMode:
		options := o.Cluster()
		options.DisableRoutingPolicies = true // the client would ask the server for all its commands
		options.ClusterStateReloadInterval = reloadInterval
		client := goredis.NewClusterClient(options)
		client.OnNewNode(func(node *goredis.Client) { node.AddHook(refusalHook{}) })
		return client
	default:
		client := goredis.NewClient(o.Simple())
		client.AddHook(refusalHook{})
		return client
	}
}
