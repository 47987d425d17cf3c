package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
)

// connection is how a client command reaches a cluster: the flags that all of them have.
type connection struct {
	servers                   []string
	tokenFile                 string
	caFile, certFile, keyFile string
	timeout                   time.Duration
	output                    output
}

const connectionLong = `

--api may name several nodes, with commas: the next one is asked where one
cannot be reached, and a node that does not lead names the one that does. While
nobody leads, the command waits, for --timeout in all.`

const anyNodeLong = `

--api may name several nodes, with commas: the first one that can be reached is
asked. To ask one node of its own, name that one alone.`

func (c *connection) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&c.servers, "api", []string{defaultAPI}, "`URL` of a node's API, or several with commas")
	f.StringVar(&c.tokenFile, "token-file", "", "`file` with the token to send, in its first line that is no comment")
	f.StringVar(&c.caFile, "tls-ca", "", "PEM `file` of the authorities of the nodes' certificates (default those of the system)")
	f.StringVar(&c.certFile, "tls-cert", "", "PEM `file` of a certificate to show to the nodes")
	f.StringVar(&c.keyFile, "tls-key", "", "PEM `file` of its key")
	f.DurationVar(&c.timeout, "timeout", 15*time.Second, "`time` for the whole command")
	c.output.addFlag(cmd)
}

// client checks the flags.
func (c *connection) client() (*admin.Client, error) {
	if c.timeout <= 0 {
		return nil, usageErrorf("--timeout %v must be positive", c.timeout)
	}
	servers := make([]string, len(c.servers))
	for i, server := range c.servers {
		servers[i] = strings.TrimSpace(server)
		if !strings.Contains(server, "://") {
			servers[i] = c.scheme() + servers[i]
		}
	}
	tlsConfig, err := c.tls()
	if err != nil {
		return nil, err
	}
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	client, err := admin.NewClient(admin.ClientOptions{Servers: servers, Token: token, TLS: tlsConfig, Timeout: c.timeout})
	if err != nil {
		return nil, usageErrorf("%s", clientFlags.Replace(err.Error()))
	}
	return client, nil
}

// clientFlags translates what the library says about its options.
var clientFlags = strings.NewReplacer("ClientOptions.Servers", "--api", "ClientOptions.Token", "--token-file")

// scheme is that of servers which are named without one.
func (c *connection) scheme() string {
	if c.caFile != "" || c.certFile != "" {
		return "https://"
	}
	return "http://"
}

func (c *connection) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, usageErrorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usageErrorf("--tls-ca %s: there is no certificate in it", c.caFile)
		}
	}
	switch {
	case c.certFile == "" && c.keyFile == "":
		return config, nil
	case c.keyFile == "":
		return nil, usageErrorf("--tls-cert needs --tls-key as well: the file of the certificate's key")
	case c.certFile == "":
		return nil, usageErrorf("--tls-key needs --tls-cert as well: the file of the key's certificate")
	}
	certificate, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, usageErrorf("--tls-cert, --tls-key: %w", err)
	}
	config.Certificates = []tls.Certificate{certificate}
	return config, nil
}

// token is the first of those in the file; a node takes all of them.
func (c *connection) token() (string, error) {
	if c.tokenFile == "" {
		return "", nil
	}
	f, err := os.Open(c.tokenFile)
	if err != nil {
		return "", usageErrorf("--token-file: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			return line, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", usageErrorf("--token-file %s: %w", c.tokenFile, err)
	}
	return "", usageErrorf("--token-file %s: there is no token in it", c.tokenFile)
}

// retryDelay is the time between two attempts while nobody leads.
const retryDelay = 200 * time.Millisecond

// ask does a request, and again while nobody leads and nothing has been done, until the time is over.
func ask[T any](ctx context.Context, c *connection, a *App, request func(context.Context, *admin.Client) (T, error)) (T, error) {
	client, err := c.client()
	if err != nil {
		return *new(T), err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for told := false; ; told = true {
		answer, err := request(ctx, client)
		if err == nil || !consensus.IsRetryable(err) || errors.Is(err, consensus.ErrElectionTimeout) {
			return answer, err
		}
		if !told {
			fmt.Fprintf(a.Stderr, "raftd: %v; waiting for a leader\n", err)
		}
		select {
		case <-ctx.Done():
			return answer, err
		case <-time.After(retryDelay):
		}
	}
}

// valid demands text: JSON would quietly replace anything else.
func valid(args ...string) error {
	for _, arg := range args {
		if !utf8.ValidString(arg) {
			return usageErrorf("%q is not UTF-8, and keys and values are text", arg)
		}
	}
	return nil
}
