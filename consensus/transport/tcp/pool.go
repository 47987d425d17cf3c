package tcp

import (
	"time"

	"github.com/hashicorp/raft"
)

// pooled is the number of connections that are kept for each peer: one for heartbeats, one for entries, one for votes.
const pooled = 3

// peer is where a node is thought to be.
type peer struct {
	id      raft.ServerID
	address raft.ServerAddress
}

// take returns a connection that is not in use, the one that was used last, or nil.
func (e *node) take(to peer) *conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	idle := e.pool[to]
	if len(idle) == 0 {
		return nil
	}
	c := idle[len(idle)-1]
	e.pool[to] = idle[:len(idle)-1]
	return c
}

// keep puts a connection into the pool, and closes those that are too many or have been there for too long.
func (e *node) keep(to peer, c *conn) {
	for _, old := range e.put(to, c, time.Now()) {
		_ = old.Close()
	}
}

func (e *node) put(to peer, c *conn, now time.Time) (surplus []*conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return []*conn{c}
	}
	if len(e.pool[to]) < pooled {
		c.used = now
		e.pool[to] = append(e.pool[to], c)
	} else {
		surplus = append(surplus, c)
	}
	if now.Before(e.nextSweep) {
		return surplus
	}
	limit := e.options.Idle / 5
	e.nextSweep = now.Add(limit / 4)
	for p, idle := range e.pool {
		kept := idle[:0]
		for _, c := range idle {
			if now.Sub(c.used) < limit {
				kept = append(kept, c)
			} else {
				surplus = append(surplus, c)
			}
		}
		clear(idle[len(kept):])
		if e.pool[p] = kept; len(kept) == 0 {
			delete(e.pool, p)
		}
	}
	return surplus
}

// dropPool closes the connections to a peer that has closed one of them.
func (e *node) dropPool(to peer) {
	e.mu.Lock()
	idle := e.pool[to]
	delete(e.pool, to)
	e.mu.Unlock()
	for _, c := range idle {
		_ = c.Close()
	}
}
