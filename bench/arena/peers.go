package arena

import (
	"context"
	"net/http"
	"net/http/httptest"
	"time"
)

// Serve has the node answer its peers at its address.
func (n *Node) Serve(h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handler = h
}

// asker is a node's way to its peers.
type asker Node

// RoundTrip asks whoever is at the address of the request.
func (a *asker) RoundTrip(req *http.Request) (*http.Response, error) {
	n, ctx := (*Node)(a), req.Context()
	if !n.cross() {
		return nil, errDead
	}
	there, back := n.arena.peerLatency()
	n.arena.sleep(there)
	to := n.arena.at(req.URL.Host)
	if to == nil || n.way(to) == breaking {
		return nil, errReset
	}
	answered := make(chan *http.Response, 1)
	if n.way(to) == open {
		asking, cancel := context.WithCancel(ctx)
		defer cancel()
		n.arena.under.Go(func() { answered <- to.answer(req.WithContext(asking)) }) //nolint:bodyclose // it is in memory
	}
	var res *http.Response
	select {
	case res = <-answered:
		n.arena.sleep(back)
	case <-to.died:
	case <-n.died:
	case <-ctx.Done():
	}
	if !n.cross() {
		return nil, errDead
	}
	if res != nil && n.way(to) == hanging {
		<-ctx.Done()
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case res == nil || n.way(to) == breaking:
		return nil, errReset
	}
	return res, nil
}

// answer is what the node answers, which it does not do while it is frozen; nil if it ends over that.
func (n *Node) answer(req *http.Request) *http.Response {
	if !n.cross() {
		return nil
	}
	n.mu.Lock()
	handler := n.handler
	n.mu.Unlock()
	if handler == nil { // it has ended meanwhile
		return nil
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, req)
	if !n.cross() {
		return nil
	}
	return recorder.Result()
}

// way is how things stand between two nodes.
func (n *Node) way(to *Node) cut {
	_, here := n.ways()
	_, there := to.ways()
	return max(here, there)
}

// at returns the live process at an address that answers.
func (a *Arena) at(addr string) *Node {
	for _, n := range a.Nodes() {
		n.mu.Lock()
		there := n.addr == addr && !n.dead && n.handler != nil
		n.mu.Unlock()
		if there {
			return n
		}
	}
	return nil
}

func (a *Arena) peerLatency() (there, back time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := between(a.random, a.options.Peers[0], a.options.Peers[1])
	return d / 2, d - d/2
}
