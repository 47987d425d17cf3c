package roundsbench

import (
	"flag"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	racers  = 1000
	servers = 3
)

var raceRounds = flag.Int("bench.rounds", 2, "number of rounds that a thousand clients race for, on every storage; by name and anonymously in turn")

// TestOfAThousandClientsExactlyOneIsTold202: they ask three servers for one round at the same time,
// each with an identity in one round, and all without and from one address in the next.
func TestOfAThousandClientsExactlyOneIsTold202(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			open := p.make(t)
			var addresses []string
			for range servers {
				addresses = append(addresses, serveRounds(t, open(t)))
			}
			began, undecided := time.Now(), 0
			for n := range *raceRounds {
				round := fmt.Sprintf("2026-11-21-%d", n)
				if n%2 == 0 {
					undecided += raceFor(t, gather(addresses, "worker-%d"), round, http.StatusAccepted)
				} else {
					undecided += raceFor(t, gather(addresses, ""), round, http.StatusNoContent)
				}
			}
			t.Logf("%d rounds in %v; %d requests had to be repeated", *raceRounds, time.Since(began).Round(time.Millisecond), undecided)
		})
	}
}

// gather returns a thousand clients, with IDs if a format is given.
func gather(addresses []string, format string) []*client {
	crowd := make([]*client, racers)
	for i := range crowd {
		crowd[i] = &client{address: addresses[i%len(addresses)]}
		if format != "" {
			crowd[i].id = fmt.Sprintf(format, i)
		}
	}
	return crowd
}

func disperse(crowd []*client) {
	for _, c := range crowd {
		c.close()
	}
}

// raceFor has one round raced for, and checks that its one winner is known everywhere afterwards, and
// is told the given status when it asks again. It returns how many requests were left undecided.
func raceFor(t *testing.T, crowd []*client, round string, again int) (undecided int) {
	t.Helper()
	defer disperse(crowd)
	statuses, winner := race(t, crowd, round)
	undecided = statuses[http.StatusInternalServerError]
	delete(statuses, http.StatusInternalServerError)
	require.Equal(t, map[int]int{http.StatusAccepted: 1, http.StatusNoContent: racers - 1}, statuses, "round %s", round)

	status, _, err := winner.ask("elect", round)
	require.NoError(t, err)
	assert.Equal(t, again, status)
	for _, c := range crowd[:servers] {
		status, address, err := c.ask("elected", round)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "127.0.0.1", address)
	}
	return undecided
}

// race has the crowd ask at the same time, each until it is told something other than 500. It
// returns how often there was which status, and one who was told 202.
func race(t *testing.T, crowd []*client, round string) (statuses map[int]int, winner *client) {
	t.Helper()
	var (
		mu   sync.Mutex
		all  sync.WaitGroup
		line = make(chan struct{})
	)
	statuses = map[int]int{}
	for _, c := range crowd {
		all.Go(func() {
			<-line
			for {
				status, body, err := c.ask("elect", round)
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				statuses[status]++
				if status == http.StatusAccepted {
					winner = c
				}
				mu.Unlock()
				if status != http.StatusInternalServerError {
					return
				}
				assert.Contains(t, body, "could not tell")
			}
		})
	}
	close(line)
	all.Wait()
	require.NotNil(t, winner, "%v", statuses)
	return statuses, winner
}
