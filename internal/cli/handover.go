package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

const handoverLong = `

The leader is found through its record, and asked at the address in it; --addr
names another one, for when the record cannot be read or its address is not
reachable from here. Leaders answer where they were started with
--allow-handover (or serve HealthServer with AllowHandover), and to members of
their election only: --peer-ca, --peer-cert and --peer-key are as for "s3lect
run".

The leader first ends its work, then writes the record, then answers. Then the
record is read until somebody leads, or --timeout has passed. Without --store
there is no record to read: that the leader has answered is then all there is to
know.
`

const transferLong = `Have the present leader hand over to a certain candidate.` + handoverLong + `
Nothing knows all candidates, so nobody can tell beforehand whether there is one
of this name. For one lease only that candidate may claim; after that, whoever
comes first.

Exit status:
  0  the leader has handed over, and the candidate leads
  1  failure: the leader did not obey, or has handed over and another one leads
  2  wrong usage
  3  nobody leads: neither before, nor until --timeout after the handover
  4  the object is not a leader record`

const resignLong = `Have the present leader step down. It stands back for one lease, so that another
candidate can win.` + handoverLong + `
Exit status:
  0  the leader has stepped down, and another leadership has begun
  1  failure: the leader did not obey
  2  wrong usage
  3  nobody leads: neither before, nor until --timeout after the resignation
  4  the object is not a leader record`

// handover is a request to a leader to give up its leadership.
type handover struct {
	place
	peerFiles
	addr, to string // to is empty for a mere resignation
	timeout  time.Duration
	asJSON   bool
}

// handoverResult is what came of it. Its JSON form is part of the command's interface.
type handoverResult struct {
	Action string `json:"action"` // resign or transfer
	// LeaderID and Term are of the leadership that was given up: by the record, or where there is
	// none to read, by the leader's answer.
	LeaderID string `json:"leaderID"`
	Term     int64  `json:"term"`
	Address  string `json:"address"` // that was asked
	To       string `json:"to,omitempty"`
	// Now is the record after the handover; absent without a storage.
	Now *reading `json:"now,omitempty"`
}

func (a *App) newTransferCommand() *cobra.Command {
	var o handover
	cmd := &cobra.Command{
		Use:   "transfer --to ID --store URL --key KEY",
		Short: "Have the leader hand over to a candidate",
		Long:  transferLong,
		Example: `  s3lect transfer --to node-b --store 's3://bucket/jobs' --key leader.json \
    --peer-ca certs/ca.pem --peer-cert certs/node-a.pem --peer-key certs/node-a-key.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.to == "" {
				return usageErrorf("--to is required: the ID of the candidate that is to lead")
			}
			return a.handOver(cmd.Context(), o)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.to, "to", "", "`ID` of the candidate that is to lead (required)")
	markFlagOnly(cmd, "to")
	return cmd
}

func (a *App) newResignCommand() *cobra.Command {
	var o handover
	cmd := &cobra.Command{
		Use:   "resign --store URL --key KEY",
		Short: "Have the leader step down",
		Long:  resignLong,
		Example: `  s3lect resign --store 's3://bucket/jobs' --key leader.json \
    --peer-ca certs/ca.pem --peer-cert certs/node-a.pem --peer-key certs/node-a-key.pem

  # Whoever answers at this address, without looking at the record:
  s3lect resign --addr node-b:8443 --peer-ca certs/ca.pem \
    --peer-cert certs/node-a.pem --peer-key certs/node-a-key.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.handOver(cmd.Context(), o) },
	}
	o.addFlags(cmd)
	return cmd
}

func (o *handover) addFlags(cmd *cobra.Command) {
	o.place.addFlags(cmd)
	f := cmd.Flags()
	for _, name := range []string{"store", "key"} {
		f.Lookup(name).Usage = strings.Replace(f.Lookup(name).Usage, "(required)", "(required, but not with --addr)", 1)
	}
	f.StringVar(&o.addr, "addr", "", "`HOST:PORT` to ask at (default the address in the record)")
	o.peerFiles.addFlags(cmd)
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "`time` for the leader to end its work and answer, and once more for the next one to lead")
	addJSONFlag(cmd, &o.asJSON)
	markFlagOnly(cmd, "addr") // the environment may name that of a candidate
}

func (a *App) handOver(ctx context.Context, o handover) error {
	if o.timeout <= 0 {
		return usageErrorf("--timeout %v must be positive", o.timeout)
	}
	config, err := o.load(o.action())
	if err != nil {
		return err
	}
	if err := o.expired(config, time.Now()); err != nil {
		return err
	}
	storage, before, err := a.presentLeader(ctx, o)
	if err != nil {
		return err
	}
	result := handoverResult{Action: o.action(), To: o.to, LeaderID: before.LeaderID, Term: before.Term, Address: o.addr}
	if o.addr == "" {
		result.Address = before.LeaderAddr
	}
	said, err := o.ask(ctx, client(config), result.Address)
	if err != nil {
		return err
	}
	if storage == nil {
		result.LeaderID, result.Term = said.LeaderID, said.Term
	} else {
		now, err := o.awaitSuccessor(ctx, storage, before)
		if err != nil {
			return fmt.Errorf("the leader has obeyed, but who leads now is not known: %w", err)
		}
		result.Now = &now
	}
	if err := a.showHandover(o, result); err != nil {
		return fmt.Errorf("the leader has obeyed, but the result could not be written: %w", err)
	}
	return result.exit()
}

func (o *handover) action() string {
	if o.to != "" {
		return "transfer"
	}
	return "resign"
}

// presentLeader reads who leads. The storage is nil where there is none to read.
func (a *App) presentLeader(ctx context.Context, o handover) (s3lect.Storage, reading, error) {
	if o.addr != "" {
		if _, _, err := splitAddress(o.addr); err != nil {
			return nil, reading{}, usageErrorf("--addr %q: %w", o.addr, err)
		}
		if o.store == "" {
			return nil, reading{}, nil
		}
	}
	storage, err := a.openExisting(ctx, o.place)
	if err != nil {
		return nil, reading{}, err
	}
	r, err := read(ctx, storage, o.key)
	switch {
	case err != nil:
		return nil, r, err
	case r.State == stateBad:
		return nil, r, &exitError{exitBad, errors.New(r.Error)}
	case r.State != stateHeld:
		return nil, r, &exitError{exitNobody, fmt.Errorf("there is nothing to give up: %s", stateTexts[r.State])}
	case o.to == r.LeaderID:
		return nil, r, fmt.Errorf("%s is the leader already, by the record", plain(o.to))
	}
	return storage, r, nil
}

// maxAnswer is far more than any answer has.
const maxAnswer = 64 << 10

// obeyed is the answer of a leader that has given up its leadership.
type obeyed struct {
	Resigned bool   `json:"resigned"`
	LeaderID string `json:"leaderID"`
	Term     int64  `json:"term"`
}

// ask has the leader at an address give up its leadership, and returns when it has.
func (o *handover) ask(ctx context.Context, c *http.Client, address string) (said obeyed, err error) {
	host, port, err := splitAddress(address)
	if err != nil {
		return said, fmt.Errorf("the leader's address in the record, %q, is none: %w; name one with --addr", address, err)
	}
	target := url.URL{Scheme: "https", Host: net.JoinHostPort(host, port)}
	target = *target.JoinPath(o.path, o.action())
	if o.to != "" {
		target.RawQuery = url.Values{"to": {o.to}}.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), http.NoBody)
	if err != nil {
		return said, err
	}
	response, err := c.Do(request)
	if err != nil {
		return said, o.unanswered(plain(address), err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case response.StatusCode != http.StatusOK:
		return said, o.refusal(plain(address), response.StatusCode, string(body))
	case err != nil:
		return said, o.unanswered(plain(address), err)
	}
	// Something else that holds a certificate of this authority may say 200 to everything.
	if json.Unmarshal(body, &said) != nil || !said.Resigned {
		return said, fmt.Errorf("%s does not answer like a leader that has obeyed: is the address right, and --peer-path %s? It said: %s", plain(address), o.path, plain(firstLine(string(body))))
	}
	return said, nil
}

// unanswered explains why there was no answer.
func (o *handover) unanswered(address string, err error) error {
	var (
		network *net.OpError
		foreign *tls.CertificateVerificationError
		failed  *url.Error
	)
	if errors.As(err, &failed) {
		err = failed.Err // it repeats method and URL
	}
	switch {
	case errors.As(err, &foreign):
		return fmt.Errorf("%s does not prove to be of this election: %w (it is checked against --peer-ca %s)", address, err, o.caFile)
	case errors.Is(err, errRefused), errors.As(err, &network) && network.Op == "remote error":
		return fmt.Errorf("%s refused the certificate %s: %w", address, o.certFile, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s (%w): is peer mode on there, and the address in the record right? (--addr names another)", address, err)
	case errors.As(err, &network) && network.Op == "dial":
		return fmt.Errorf("cannot reach %s: %w", address, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer within %v; whether it gave up the leadership is not known: see \"s3lect status\"", address, o.timeout)
	}
	return fmt.Errorf("ask %s: %w; whether it gave up the leadership is not known: see \"s3lect status\"", address, err)
}

// refusal explains an answer.
func (o *handover) refusal(address string, status int, body string) error {
	switch {
	case status == http.StatusConflict:
		return fmt.Errorf("%s does not lead (any more): %s", address, plain(firstLine(body)))
	case status == http.StatusNotFound:
		return fmt.Errorf("%s takes no such requests: it was started without --allow-handover (HealthServerConfig.AllowHandover), or leaders answer at another --peer-path than %s", address, o.path)
	case status == http.StatusNotImplemented:
		return fmt.Errorf("the program at %s cannot hand over: its elector has no %s", address, o.action())
	case status/100 == 3:
		return fmt.Errorf("%s answered with a redirect (%d), and none is followed: is this a member of the election?", address, status)
	}
	return fmt.Errorf("%s did not %s: status %d: %s", address, o.action(), status, plain(firstLine(body)))
}

// firstLine is what fits into an error of somebody else's words.
func firstLine(body string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	return line[:min(len(line), 200)]
}

// lookPeriod is the time between two reads for the next leader.
const lookPeriod = 100 * time.Millisecond

// awaitSuccessor reads the record until it shows a later leadership, or the time is up; then its
// last reading is the answer.
func (o *handover) awaitSuccessor(ctx context.Context, storage s3lect.Storage, before reading) (reading, error) {
	end := time.Now().Add(o.timeout)
	for {
		r, err := read(ctx, storage, o.key)
		switch {
		case err == nil && r.State == stateHeld && r.Term > before.Term:
			return r, nil
		case time.Until(end) <= 0 && err != nil:
			return r, err
		case time.Until(end) <= 0:
			return r, nil
		}
		if err := pause(ctx, min(lookPeriod, time.Until(end))); err != nil {
			return r, err
		}
	}
}

func (a *App) showHandover(o handover, r handoverResult) error {
	if o.asJSON {
		return writeJSON(a.Stdout, r)
	}
	_, err := io.WriteString(a.Stdout, r.text()+"\n")
	return err
}

// text says in a line or two what came of it.
func (r handoverResult) text() string {
	who := plain(r.LeaderID)
	if who == "" {
		who = "the leader at " + plain(r.Address)
	}
	done := who + " has stepped down"
	if r.To != "" {
		done = who + " has handed over to " + plain(r.To)
	}
	switch {
	case r.Now == nil:
		return done
	case r.Now.State == stateHeld && r.Now.Term > r.Term:
		text := fmt.Sprintf("%s: %s leads with term %d", done, plain(r.Now.LeaderID), r.Now.Term)
		if r.To != "" && r.Now.LeaderID != r.To {
			text += fmt.Sprintf("\n%s did not claim within a lease: is there a candidate of this name, and may it lead?", plain(r.To))
		}
		return text
	case r.Now.State != stateHeld:
		text := fmt.Sprintf("%s: %s", done, stateTexts[r.Now.State])
		if r.To != "" {
			text += fmt.Sprintf("\nWhether there is a candidate of the name %s nobody can tell; the others may claim after a lease.", plain(r.To))
		}
		return text
	}
	return done + ", but the record has not changed"
}

// exit is the status that the result ends the command with.
func (r handoverResult) exit() error {
	switch {
	case r.Now == nil:
		return nil
	case r.Now.State == stateBad:
		return &exitError{code: exitBad}
	case r.Now.State != stateHeld:
		return &exitError{code: exitNobody}
	case r.Now.Term <= r.Term, r.To != "" && r.Now.LeaderID != r.To:
		return &exitError{code: exitFailure}
	}
	return nil
}
