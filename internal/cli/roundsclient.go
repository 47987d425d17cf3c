package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/internal/serve"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

const (
	exitNotElected = 3 // and: nobody yet
	exitRefused    = 4 // the servers do not answer the question, and will not if it is asked again
)

const askLong = `

A server that cannot tell, or does not answer, is asked again, and the others of
--server as well, for --timeout in all. Standard error tells why, once, unless
--quiet.`

const sameIDLong = askLong + ` Asking again with the same --id is always safe.

`

const refusedLong = `
  4  the server does not answer this: no valid token, no rounds there, an object
     in the round's place; asking again changes nothing`

const electLong = `Ask a server ("s3lect serve") whether this candidate does the job of a round,
and make it the one if nobody is yet.

A candidate that asks again gets the same answer. Give each of them an --id of
its own; the host's name will do where each host has one.` + sameIDLong + `Exit status:
  0  elected: do the job
  1  could not tell: nothing is known, ask again
  2  wrong usage
  3  not elected: somebody else is` + refusedLong

const completeLong = `Record at a server ("s3lect serve") that this candidate has done the job of a
round, for which it must have been elected.` + sameIDLong + `Exit status:
  0  recorded, now or before
  1  could not tell: nothing is known, ask again
  2  wrong usage
  3  refused: another candidate was elected or has completed, or nobody was` + refusedLong

const electedLong = `Ask a server ("s3lect serve") who does the job of a round, and print its ID, or
its address where it has none.` + askLong + `

Exit status:
  0  somebody does
  1  could not tell: nothing is known, ask again
  2  wrong usage
  3  nobody yet` + refusedLong

const completedLong = `Ask a server ("s3lect serve") who has done the job of a round, and print its ID,
or its address where it has none.` + askLong + `

Exit status:
  0  somebody has
  1  could not tell: nothing is known, ask again
  2  wrong usage
  3  nobody yet` + refusedLong

// clientFlags translates what the library says about its options.
var clientFlags = strings.NewReplacer(
	"ClientOptions.Servers", "--server", "ClientOptions.ID", "--id", "ClientOptions.Token", "--token-file",
)

// asker asks servers about a round, for a script.
type asker struct {
	servers                   []string
	id, tokenFile             string
	caFile, certFile, keyFile string
	timeout                   time.Duration
	quiet, asJSON             bool
}

// question is one of the four that can be asked.
type question struct {
	name, short, long, example string
	byCandidate                bool // only somebody with an ID may ask it
	ask                        func(ctx context.Context, client *rounds.Client, system, round string) (told, error)
}

// told is the answer to a question.
type told struct {
	yes   bool
	says  string
	state rounds.State
}

var questions = []question{
	{
		name: "elect", short: "Ask whether this candidate is elected, and elect it if nobody is", long: electLong,
		example: `  s3lect rounds elect billing "$(date +%F)" --id "$(hostname)" && ./job`, byCandidate: true,
		ask: func(ctx context.Context, client *rounds.Client, system, round string) (told, error) {
			won, state, err := client.Elect(ctx, system, round)
			if won {
				return told{true, "elected", state}, err
			}
			return told{false, "not elected: " + whoever(state.Elected) + " is", state}, err
		},
	},
	{
		name: "elected", short: "Print who is elected", long: electedLong,
		example: `  s3lect rounds elected billing 2026-11-21`,
		ask: func(ctx context.Context, client *rounds.Client, system, round string) (told, error) {
			state, err := client.Elected(ctx, system, round)
			return told{state.Elected != nil, whoever(state.Elected), state}, err
		},
	},
	{
		name: "complete", short: "Record that this candidate has done the job", long: completeLong,
		example: `  ./job && s3lect rounds complete billing "$(date +%F)" --id "$(hostname)"`, byCandidate: true,
		ask: func(ctx context.Context, client *rounds.Client, system, round string) (told, error) {
			state, err := client.Complete(ctx, system, round)
			return told{true, "completed", state}, err
		},
	},
	{
		name: "completed", short: "Print who has done the job", long: completedLong,
		example: `  until s3lect rounds completed billing 2026-11-21 --quiet; do sleep 60; done`,
		ask: func(ctx context.Context, client *rounds.Client, system, round string) (told, error) {
			state, err := client.Completed(ctx, system, round)
			return told{state.Completed != nil, whoever(state.Completed), state}, err
		},
	},
}

func whoever(e *rounds.Event) string {
	if e == nil {
		return "nobody"
	}
	return plain(e.String())
}

func (a *App) newAskCommand(q *question) *cobra.Command {
	var o asker
	cmd := &cobra.Command{
		Use:     q.name + " SYSTEM ROUND",
		Short:   q.short,
		Long:    q.long,
		Example: q.example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageErrorf("%s needs the names of a system and of a round, such as: s3lect rounds %[1]s billing 2026-11-21", q.name)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), q, &o, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&o.servers, "server", []string{"http://" + defaultListen}, "`URL` of a server; several with commas, or by giving the flag again, are asked in turns")
	if q.byCandidate {
		f.StringVar(&o.id, "id", "", "`ID` of this candidate, different for each of them (required)")
	}
	f.StringVar(&o.tokenFile, "token-file", "", "`file` with the token to send, in its first line that is no comment")
	f.StringVar(&o.caFile, "tls-ca", "", "PEM `file` of the CA of the servers' certificates (default those of the system)")
	f.StringVar(&o.certFile, "tls-cert", "", "PEM `file` of a certificate to show to the servers")
	f.StringVar(&o.keyFile, "tls-key", "", "PEM `file` of its key")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "`time` for all attempts together")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing: the exit status tells")
	addJSONFlag(cmd, &o.asJSON)
	return cmd
}

func (a *App) ask(ctx context.Context, q *question, o *asker, system, round string) error {
	switch {
	case q.byCandidate && o.id == "":
		return usageErrorf("--id is required: what tells this candidate from all others, also when it asks again, such as --id \"$(hostname)\"\n(or set S3LECT_ID)")
	case o.timeout <= 0:
		return usageErrorf("--timeout %v must be positive", o.timeout)
	}
	client, err := o.client(a.sayOnce(o))
	if err != nil {
		return err
	}
	answer, err := q.ask(ctx, client, system, round)
	switch {
	case errors.Is(err, rounds.ErrNotElected), errors.Is(err, rounds.ErrAlreadyCompleted):
		return &exitError{exitNotElected, err}
	case errors.Is(err, rounds.ErrIdentifier):
		return &exitError{exitUsage, err}
	case errors.As(err, new(*rounds.RefusedError)) && !errors.Is(err, rounds.ErrUndecided):
		return &exitError{exitRefused, err}
	case err != nil:
		return err
	}
	if err := a.tell(o, answer); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	if !answer.yes {
		return &exitError{code: exitNotElected}
	}
	return nil
}

// sayOnce returns what tells people why they have to wait, the first time that it is called.
func (a *App) sayOnce(o *asker) func(server string, err error) {
	said := o.quiet
	return func(server string, err error) {
		if said {
			return
		}
		said = true
		var request *url.Error
		if errors.As(err, &request) {
			err = request.Err // without the URL, which is the server's and more
		}
		fmt.Fprintf(a.Stderr, "s3lect: no answer yet from %s: %s; asking again for up to %v in all\n", server, plain(err.Error()), o.timeout)
	}
}

func (a *App) tell(o *asker, answer told) error {
	switch {
	case o.asJSON:
		return writeJSON(a.Stdout, answer.state)
	case o.quiet:
		return nil
	}
	_, err := fmt.Fprintln(a.Stdout, answer.says)
	return err
}

func (o *asker) client(retrying func(server string, err error)) (*rounds.Client, error) {
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	token, err := o.token()
	if err != nil {
		return nil, err
	}
	client, err := rounds.NewClient(rounds.ClientOptions{
		Servers: o.servers, ID: o.id, Token: token, Timeout: o.timeout,
		HTTPClient: &http.Client{Transport: transport}, Retrying: retrying,
	})
	if err != nil {
		return nil, usageErrorf("%s", clientFlags.Replace(err.Error()))
	}
	return client, nil
}

func (o *asker) token() (string, error) {
	if o.tokenFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return "", usageErrorf("--token-file: %w", err)
	}
	tokens, err := serve.ParseTokens(data)
	switch {
	case errors.Is(err, serve.ErrNoToken):
		return "", usageErrorf("--token-file %q holds no token: write the one to send in a line of its own", o.tokenFile)
	case err != nil:
		return "", usageErrorf("--token-file %q %w", o.tokenFile, err)
	}
	return tokens[0], nil
}

func (o *asker) transport() (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.caFile != "" {
		text, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, usageErrorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, usageErrorf("--tls-ca %s: there is no valid PEM certificate in it", o.caFile)
		}
	}
	switch {
	case o.certFile != "" && o.keyFile != "":
		pair, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return nil, usageErrorf("--tls-cert and --tls-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	case o.certFile != "":
		return nil, usageErrorf("--tls-cert needs --tls-key as well: the file of the certificate's key")
	case o.keyFile != "":
		return nil, usageErrorf("--tls-key needs --tls-cert as well: the file of the key's certificate")
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: 64 << 10,
	}, nil
}
