package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-6dc909bb/s3lect"
)

// commands are what a user of Redis must be permitted.
const commands = "+eval +evalsha +getrange +exists +set +del"

// failed says what an error of the client means for the caller of a storage.
func (c *call) failed(err error) error {
	name := fmt.Sprintf("%s %q in Redis %s", c.verb, c.key, c.storage.place)
	switch {
	case c.err != nil:
		return fmt.Errorf("%s: %w", name, c.err)
	case c.ended(err) != nil:
		return fmt.Errorf("%s: %w", name, c.ended(err))
	}
	if codeOf(err) == "WRONGTYPE" {
		return fmt.Errorf("%s: %w (%w)", name, errForeign, err)
	}
	c.lookAround(err)
	if codeOf(err) == "WRONGTYPE" {
		return fmt.Errorf("%s: %w: %w", name, errForeign, err)
	}
	if errors.Is(err, s3lect.ErrStorageThrottled) || refuses(err) {
		return fmt.Errorf("%s: the server has as many clients as it takes; raise maxclients, or have fewer: %w: %w", name, s3lect.ErrStorageThrottled, err)
	}
	advice := c.advice(err)
	if errors.Is(err, goredis.Nil) {
		err = errors.New(err.Error()) // which nobody is to take for a missing object
	}
	if strings.Contains(err.Error(), "\n") {
		err = oneLine{err}
	}
	if advice != "" {
		return fmt.Errorf("%s: %s: %w", name, advice, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// oneLine is an error whose text would have several.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }

// ended returns the error of the context if that has ended. The connection's deadline, which is the
// context's, may have come a moment earlier.
func (c *call) ended(err error) error {
	ended := c.ctx.Err()
	deadline, ok := c.ctx.Deadline()
	if ended == nil && ok && !time.Now().Before(deadline) && isTimeout(err) {
		ended = context.DeadlineExceeded
	}
	if ended == nil || errors.Is(err, ended) {
		return ended
	}
	return fmt.Errorf("%w (%w)", ended, err)
}

// lookAround has the client of a cluster ask for the nodes anew where one does not answer as the
// one in charge should. By itself it does so only once a minute, which is longer than a lease.
func (c *call) lookAround(err error) {
	cluster, ok := c.storage.client.(*goredis.ClusterClient)
	if !ok {
		return
	}
	code := codeOf(err)
	if code == "CLUSTERDOWN" || code == "READONLY" || code == "" && isNetwork(err) {
		cluster.ReloadState(c.ctx)
	}
}

// codeOf is the first word of what the server said, or "".
func codeOf(err error) string {
	var reply goredis.Error
	if err == nil || !errors.As(err, &reply) {
		return ""
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	return code
}

// refuses reports whether the server has too many clients; the words differ in a cluster.
func refuses(err error) bool {
	return codeOf(err) == "ERR" && strings.Contains(err.Error(), "max number of clients")
}

// tooManyClients stands for the server's refusal of a connection, in the place of its error.
type tooManyClients struct{ said string }

func (e tooManyClients) Error() string { return e.said }

func (tooManyClients) Unwrap() error { return s3lect.ErrStorageThrottled }

// advice says what to do about an error.
func (c *call) advice(err error) string {
	if advice := adviceOnSentinels(err); advice != "" {
		return advice
	}
	switch codeOf(err) {
	case "":
		return c.adviceWithoutAnswer(err)
	case "NOAUTH":
		return "the server wants a password; write redis://:PASSWORD@... or redis://USER:PASSWORD@..."
	case "WRONGPASS":
		return "the server does not accept the user or the password"
	case "NOPERM":
		return "no permission; the user needs " + commands + ", +scan for lists, and access to the keys (~" + c.storage.prefix + "*)"
	case "READONLY":
		return "the server is a replica; name the primary, or the sentinels with master_name"
	case "LOADING":
		return "the server is loading its data; try again"
	case "OOM":
		return "the server's memory is full; raise maxmemory, or remove what is not needed"
	case "MISCONF":
		return "the server cannot write to its disk and refuses to change anything; look into its log"
	case "NOREPLICAS":
		return "fewer replicas are connected than min-replicas-to-write demands"
	case "MASTERDOWN":
		return "the server is a replica that has lost its primary; name the primary, or the sentinels with master_name"
	case "CLUSTERDOWN":
		return "the cluster is not complete; try again when its nodes are"
	case "MOVED", "ASK":
		return "the server is a node of a cluster; add cluster=true to the URL"
	case "BUSY":
		return "a script of another program keeps the server busy"
	case "DENIED":
		return "the server talks to its own machine only, as long as it has no password"
	}
	return adviceOnText(err.Error())
}

func adviceOnSentinels(err error) string {
	if !strings.Contains(err.Error(), "all sentinels specified in configuration are unreachable") {
		return ""
	}
	switch code := codeOf(err); {
	case code == "NOAUTH", code == "WRONGPASS":
		return "the sentinels do not accept the user or the password; give sentinel_password, and sentinel_username if there is one"
	case code == "NOPERM":
		return "no permission; the sentinels' user needs +sentinel and +subscribe with all channels"
	case errors.Is(err, goredis.Nil):
		return "the sentinels know no primary of that master_name"
	}
	return "no sentinel could tell where the primary is; check their addresses"
}

func adviceOnText(text string) string {
	switch {
	case strings.Contains(text, "cluster support disabled"):
		return "the server is no node of a cluster; take cluster=true and addr out of the URL"
	case strings.Contains(text, "invalid DB index"), strings.Contains(text, "DB index is out of range"):
		return "there is no such database; correct its number in the URL"
	case strings.Contains(text, "unknown command"):
		return "the server does not know a command; it is not Redis 6.0 or newer, or a sentinel, whose URL needs master_name"
	}
	return ""
}

func (c *call) adviceWithoutAnswer(err error) string {
	unknown := ""
	if c.verb != "read" && c.verb != "list" {
		unknown = "; it is not known whether this was done, read back"
	}
	switch {
	case errors.Is(err, errClosed), errors.Is(err, goredis.ErrClosed):
		return "closed"
	case errors.Is(err, goredis.ErrPoolTimeout), errors.Is(err, goredis.ErrPoolExhausted):
		return "no connection was free in time; the server is slow or stalled, or pool_size is too small"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "the server's certificate is not to be trusted; name the authority with ca_file, or the name in it with server_name"
	case isTimeout(err):
		return "no answer in time; check the network and the server" + unknown
	case errors.Is(err, io.EOF):
		return "the server has closed the connection; it may have ended, or want TLS (rediss: instead of redis:)" + unknown
	case isDial(err):
		return "the server cannot be reached; check the network and the address"
	case isNetwork(err):
		return "the connection has failed" + unknown
	}
	return ""
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

func isDial(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, goredis.ErrPoolTimeout)
}

// refusalHook keeps the reason why the server refuses a connection. It says so in the place of an
// answer to the client's greeting, and the client takes any error there for a server that is too
// old for greetings.
type refusalHook struct{}

func (refusalHook) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (refusalHook) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func (refusalHook) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		err := next(ctx, cmd)
		if err != nil && cmd.Name() == "hello" && refuses(err) {
			err = tooManyClients{err.Error()}
			cmd.SetErr(err)
		}
		return err
	}
}
