package s3lect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// maxPeerAnswer is the size, in bytes, of the largest answer of a peer that is read.
const maxPeerAnswer = 64 << 10

// maxOpenQuestions bounds the questions that run at once. Only a transport that ignores its context can
// come to more than one: the abandoned ones go on.
const maxOpenQuestions = 4

// peers is what a run in peer mode has: a client, and the question under way.
type peers struct {
	client   *peerClient
	question *lease.Question
	cancel   context.CancelFunc
	trouble  trouble
}

// meet begins peer mode anew as the configuration says, or ends it.
func (r *run) meet() {
	r.part()
	r.peers = nil
	if r.config.PeerMode {
		client := &peerClient{path: r.config.PeerHealthPath, tls: r.config.peerTLS(), log: r.log(), given: r.e.env.PeerTransport}
		client.observer, client.metadata = r.config.introduction()
		r.peers = &peers{client: client}
	}
}

// part drops the question under way and gives the connections back.
func (r *run) part() {
	if p := r.peers; p != nil {
		p.drop()
		p.client.close()
	}
}

func (p *peers) drop() {
	if p.cancel != nil {
		p.cancel()
	}
	p.question, p.cancel = nil, nil
}

// inquire puts the question that the machine wants to be under way, and drops the one that it no
// longer waits for. It reports whether the machine has to be asked again.
func (r *run) inquire(now lease.Instant) bool {
	p := r.peers
	question := r.machine.Question()
	if p == nil || question == p.question {
		return false
	}
	p.drop()
	if question == nil {
		return false
	}
	if r.questions == maxOpenQuestions {
		r.machine.Reply(now, nil, fmt.Errorf("%d questions have not returned, although their contexts were cancelled", maxOpenQuestions))
		return true
	}
	ctx, cancel := context.WithCancel(r.base)
	p.question, p.cancel = question, cancel
	r.questions++
	go func() {
		word, err := p.client.ask(ctx, question)
		r.do(func(now lease.Instant) { r.replied(now, p, question, word, err) })
	}()
	return false
}

// replied hands a peer's answer to the machine, if it still waits for it from these peers: a changed
// configuration has the same question put again, by another client.
func (r *run) replied(now lease.Instant, p *peers, question *lease.Question, word *lease.Word, err error) {
	r.questions--
	if p == r.peers && question == p.question && question == r.machine.Question() {
		p.drop()
		r.machine.Reply(now, word, err)
		r.heardWord(now, question, word)
	}
}

// peerClient asks leaders for their word. It makes its transport, which means reading files, with
// the first question.
type peerClient struct {
	path  string
	tls   peerTLS
	log   *slog.Logger
	given http.RoundTripper // in the simulation, instead of one of its own; else nil

	observer, metadata string // of whom a question is a heartbeat; empty if of nobody

	making    sync.Mutex // of the transport; nobody but questions waits for it
	transport atomic.Pointer[peerTransport]
}

// serve reports whether these are the peers of that configuration.
func (p *peers) serve(config *ElectorConfig) bool {
	if p == nil || !config.PeerMode {
		return p == nil && !config.PeerMode
	}
	if observer, metadata := config.introduction(); p.client.observer != observer || p.client.metadata != metadata {
		return false
	}
	return p.client.path == config.PeerHealthPath && p.client.tls.equal(config.peerTLS())
}

// ask puts one question to a leader. Its address comes from the storage, and so does whoever
// answers there: neither is trusted.
func (c *peerClient) ask(ctx context.Context, question *lease.Question) (*lease.Word, error) {
	word, err := c.roundTrip(ctx, question)
	if err != nil && !errors.Is(err, lease.ErrNotLeading) {
		if ctx.Err() == nil { // else another question may be on the way already
			c.dropIdle()
		}
		err = fmt.Errorf("ask the leader at %s: %w", question.Addr, err)
	}
	return word, err
}

// again returns a client for the same peers, with connections of its own.
func (c *peerClient) again() *peerClient {
	return &peerClient{path: c.path, tls: c.tls, log: c.log, given: c.given}
}

// farewell tells a leader that an observer leaves.
func (c *peerClient) farewell(ctx context.Context, addr, observer string) error {
	query := url.Values{"observer": {observer}, "leaving": {"1"}}
	if _, err := c.get(ctx, addr, query); err != nil && !errors.Is(err, lease.ErrNotLeading) {
		return fmt.Errorf("take leave of the leader at %s: %w", addr, err)
	}
	return nil
}

func (c *peerClient) roundTrip(ctx context.Context, question *lease.Question) (*lease.Word, error) {
	body, err := c.get(ctx, question.Addr, c.query(question))
	if err != nil {
		return nil, err
	}
	return decodeWord(body)
}

// get asks at an address and returns the body of the answer.
func (c *peerClient) get(ctx context.Context, addr string, query url.Values) ([]byte, error) {
	if err := checkAddress("leaderAddr", addr); err != nil {
		return nil, err
	}
	transport, err := c.roundTripper()
	if err != nil {
		return nil, err
	}
	target := url.URL{Scheme: "https", Host: addr, Path: c.path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	// A round trip alone: redirects are not followed, and no cookies are kept.
	answer, err := transport.RoundTrip(req)
	switch {
	case err != nil:
		return nil, err
	case answer == nil: // by a replaced http.DefaultTransport
		return nil, errors.New("the transport returned neither an answer nor an error")
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxPeerAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxPeerAnswer:
		return nil, fmt.Errorf("the answer is over %d bytes long", maxPeerAnswer)
	case answer.StatusCode == http.StatusNotFound:
		return nil, lease.ErrNotLeading
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the answer is %q", answer.Status)
	}
	return body, nil
}

func (c *peerClient) query(question *lease.Question) url.Values {
	q := url.Values{}
	if question.Session != "" {
		q.Set("session", question.Session)
		q.Set("after", strconv.FormatInt(question.After, 10))
	}
	if c.observer != "" {
		q.Set("observer", c.observer)
		q.Set("metadata", c.metadata)
	}
	return q
}

// decodeWord reads a leader's answer, which is a record with some more fields.
func decodeWord(body []byte) (*lease.Word, error) {
	record, err := lease.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no leader record: %w", err)
	}
	var more struct {
		ETag          string `json:"etag"`
		PollMillis    int64  `json:"pollMillis"`
		Followers     int    `json:"followers"`
		HeldMillis    int64  `json:"heldMillis"`
		Observers     int    `json:"activeObservers"`
		Observed      bool   `json:"observed"`
		ObserverError string `json:"observerError"`
	}
	if err := json.Unmarshal(body, &more); err != nil {
		return nil, fmt.Errorf("the answer is not of the right shape: %w", err)
	}
	return &lease.Word{
		Record:    *record,
		ETag:      more.ETag,
		Poll:      time.Duration(min(max(more.PollMillis, 0), lease.MaxLease.Milliseconds())) * time.Millisecond,
		Followers: max(more.Followers, 0),

		Held:          time.Duration(min(max(more.HeldMillis, 0), lease.MaxLease.Milliseconds())) * time.Millisecond,
		Observers:     min(max(more.Observers, 0), maxQuorum),
		Observed:      more.Observed,
		ObserverError: more.ObserverError,
	}, nil
}

func (c *peerClient) roundTripper() (http.RoundTripper, error) {
	if c.given != nil {
		return c.given, nil
	}
	c.making.Lock()
	defer c.making.Unlock()
	if transport := c.transport.Load(); transport != nil {
		return transport, nil
	}
	transport, err := newPeerTransport(c.tls, c.log, time.Now)
	if err != nil {
		return nil, err
	}
	c.transport.Store(transport)
	return transport, nil
}

func (c *peerClient) dropIdle() {
	if transport := c.transport.Load(); transport != nil {
		transport.dropIdle()
	}
}

// close gives the connections back, once the question under way is cancelled.
func (c *peerClient) close() {
	if transport := c.transport.Load(); transport != nil {
		transport.close()
	}
}
