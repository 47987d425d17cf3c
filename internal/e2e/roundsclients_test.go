//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/internal/roundscheck"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

const (
	system = "billing"

	answerTimeout = time.Second // of a server
	askTimeout    = 2 * time.Second
)

// asker is one who takes part in every round.
type asker struct {
	contest *contest
	number  int
	by      rounds.Candidate
	random  *rand.Rand
	json    bool // asks for JSON
	http    *http.Client
	library *rounds.Client // asks in the place of the rest of this, if not nil
}

// newAsker makes a client with an address of its own, where the system has more than one for itself.
func newAsker(c *contest, number int, id string) *asker {
	address := "127.0.0.1"
	if runtime.GOOS == "linux" {
		address = fmt.Sprintf("127.0.1.%d", 1+number)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &asker{
		contest: c, number: number, by: rounds.Candidate{ID: id, Address: address}, json: number%2 == 0,
		random: rand.New(rand.NewPCG(uint64(number), 1)),
		http: &http.Client{
			Timeout: askTimeout,
			// On connections that are used again, net/http sends a GET twice if the connection breaks. One
			// without an identity could so win by a request of which nobody knows.
			Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: id == ""},
		},
	}
}

// useLibrary has the client of the library ask, all servers in turn.
func (a *asker) useLibrary() {
	var urls []string
	for _, s := range a.contest.servers {
		urls = append(urls, s.front.url())
	}
	var err error
	a.library, err = rounds.NewClient(rounds.ClientOptions{Servers: urls, ID: a.by.ID, HTTPClient: a.http, Timeout: 10 * time.Second})
	assert.NoError(a.contest.t, err)
}

// race takes part in a round until it knows how that has ended, and how the storage remembers it.
func (a *asker) race(ctx context.Context, round string) {
	elected := a.insist(ctx, roundscheck.Elect, round)
	a.ask(ctx, a.anyServer(), roundscheck.Elected, round)
	switch {
	case elected.Answer == roundscheck.Won:
		a.insist(ctx, roundscheck.Complete, round)
	case a.random.IntN(3) == 0:
		a.ask(ctx, a.anyServer(), roundscheck.Complete, round)
	}
	a.ask(ctx, a.anyServer(), roundscheck.Elect, round)
	a.ask(ctx, a.anyServer(), roundscheck.Completed, round)
}

// insist asks until there is an answer. One without an identity that was told nothing asks the same
// server again, which knows of it.
func (a *asker) insist(ctx context.Context, operation roundscheck.Operation, round string) (out roundscheck.Output) {
	server := a.anyServer()
	for ctx.Err() == nil {
		if out = a.ask(ctx, server, operation, round); out.Answer != roundscheck.Unknown {
			return out
		}
		<-time.After(time.Duration(a.random.IntN(50)) * time.Millisecond)
		if a.by.ID != "" || a.random.IntN(2) == 0 {
			server = a.anyServer()
		}
	}
	a.contest.t.Errorf("client %d was told nothing about %s in good time", a.number, round)
	return out
}

func (a *asker) anyServer() *roundsServer {
	return a.contest.servers[a.random.IntN(len(a.contest.servers))]
}

// ask asks once and notes the answer.
func (a *asker) ask(ctx context.Context, s *roundsServer, operation roundscheck.Operation, round string) (out roundscheck.Output) {
	call := a.contest.history.Begin(a.number, round, operation, a.by)
	a.contest.begins()
	if a.library != nil {
		out = a.askLibrary(ctx, operation, round)
	} else {
		out = a.askServer(ctx, s, operation, round)
	}
	call.End(out)
	a.contest.ends(out.Answer != roundscheck.Unknown)
	return out
}

func (a *asker) askLibrary(ctx context.Context, operation roundscheck.Operation, round string) roundscheck.Output {
	switch operation {
	case roundscheck.Elect:
		return roundscheck.OfElect(a.library.Elect(ctx, system, round))
	case roundscheck.Elected:
		return roundscheck.OfLook(a.library.Elected(ctx, system, round))
	case roundscheck.Complete:
		return roundscheck.OfComplete(a.library.Complete(ctx, system, round))
	default:
		return roundscheck.OfLook(a.library.Completed(ctx, system, round))
	}
}

func (a *asker) askServer(ctx context.Context, s *roundsServer, operation roundscheck.Operation, round string) roundscheck.Output {
	method := http.MethodGet
	if operation == roundscheck.Complete && a.random.IntN(2) == 0 {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("%s/api/v1/%v/%s/%s", s.front.url(), operation, system, round), http.NoBody)
	if !assert.NoError(a.contest.t, err) {
		return roundscheck.Output{}
	}
	if a.by.ID != "" {
		request.Header.Set("X-Candidate-Id", a.by.ID)
	}
	if a.json {
		request.Header.Set("Accept", "application/json")
	}
	response, err := a.http.Do(request)
	if err != nil {
		return roundscheck.Output{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return roundscheck.Output{}
	}
	return a.understand(operation, response, body)
}

// understand is what an answer means. Others than those of the table are a failure.
func (a *asker) understand(operation roundscheck.Operation, response *http.Response, body []byte) roundscheck.Output {
	type meaning struct {
		operation roundscheck.Operation
		status    int
	}
	answer, known := map[meaning]roundscheck.Answer{
		{roundscheck.Elect, http.StatusAccepted}:      roundscheck.Won,
		{roundscheck.Elect, http.StatusNoContent}:     roundscheck.Lost,
		{roundscheck.Elected, http.StatusOK}:          roundscheck.Told,
		{roundscheck.Elected, http.StatusNoContent}:   roundscheck.Told,
		{roundscheck.Complete, http.StatusOK}:         roundscheck.Recorded,
		{roundscheck.Complete, http.StatusBadRequest}: roundscheck.Refused,
		{roundscheck.Completed, http.StatusOK}:        roundscheck.Told,
		{roundscheck.Completed, http.StatusNoContent}: roundscheck.Told,
	}[meaning{operation, response.StatusCode}]
	if !known {
		assert.Equal(a.contest.t, http.StatusInternalServerError, response.StatusCode, "%v: %s", operation, body)
		return roundscheck.Output{}
	}
	out := roundscheck.Output{Answer: answer}
	switch {
	case answer == roundscheck.Refused:
	case a.json:
		if response.StatusCode == http.StatusNoContent {
			body = []byte(response.Header.Get(rounds.StateHeader))
		}
		var state rounds.State
		if assert.NoError(a.contest.t, json.Unmarshal(body, &state), "%s", body) {
			out = roundscheck.Showing(answer, state)
		}
	case operation == roundscheck.Elected:
		out.Elected = &roundscheck.Seen{Address: string(body), AddressOnly: true}
	case operation == roundscheck.Completed:
		out.Completed = &roundscheck.Seen{Address: string(body), AddressOnly: true}
	}
	return out
}
