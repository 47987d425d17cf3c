package measure

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// EtcdEvent is something that happens to a leader on etcd.
type EtcdEvent struct {
	Name string
	// strike makes it happen, and returns what makes it a candidate again; nil if it is gone.
	strike func(*contender.Etcd) (restore func())
	silent bool // the process is not asked meanwhile
}

// EtcdEvents are those of [Events], made by other means.
func EtcdEvents() []EtcdEvent {
	hold := func(e *contender.Etcd) func() {
		e.Line().Hold()
		return e.Line().Open
	}
	return []EtcdEvent{
		{"crash", func(e *contender.Etcd) func() { e.Line().Cut(); return nil }, true},
		{"graceful stop", func(e *contender.Etcd) func() { go e.Stop(); return nil }, false},
		{"frozen leader", hold, true},
		{"cut off from storage", hold, false},
	}
}

// EtcdGap is what came of an event.
type EtcdGap struct {
	Gap time.Duration // until another candidate led
	Two time.Duration // with two leaders
}

const etcdTick = 5 * time.Millisecond

// EtcdGaps has an event happen to the leader of five candidates, in real time.
func EtcdGaps(endpoints []string, s contender.Settings, event EtcdEvent, random *rand.Rand) (EtcdGap, error) {
	var sent atomic.Int64
	var candidates []*contender.Etcd
	defer func() { stopEtcd(candidates) }()
	for i := range 5 {
		c := contender.NewEtcd(endpoints, fmt.Sprint("node-", i), s, &sent)
		if err := c.Start(); err != nil {
			return EtcdGap{}, err
		}
		candidates = append(candidates, c)
	}
	leader, err := etcdLeader(candidates, nil, time.Minute)
	if err != nil {
		return EtcdGap{}, err
	}
	time.Sleep(s.Lease/3 + time.Duration(random.Int64N(int64(s.Lease/3)))) // anywhere between two renewals
	began := time.Now()
	restore := event.strike(leader)
	next, err := etcdLeader(candidates, leader, 10*s.Lease)
	if err != nil {
		return EtcdGap{}, err
	}
	out := EtcdGap{Gap: time.Since(began)}
	if restore == nil {
		return out, nil
	}
	if event.silent { // asked when it wakes up, before it hears anything
		time.Sleep(time.Until(began.Add(3 * s.Lease / 2)))
	}
	for since := time.Now(); leader.Leads() && next.Leads(); out.Two = time.Since(since) {
		time.Sleep(etcdTick)
	}
	restore()
	return out, nil
}

// etcdLeader waits until a candidate other than that one leads.
func etcdLeader(candidates []*contender.Etcd, other *contender.Etcd, patience time.Duration) (*contender.Etcd, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(etcdTick) {
		for _, c := range candidates {
			if c != other && c.Leads() {
				return c, nil
			}
		}
	}
	return nil, errors.New("etcd: nobody has become leader")
}

// stopEtcd ends all of them, those that have ended already included, and waits for that.
func stopEtcd(candidates []*contender.Etcd) {
	var all sync.WaitGroup
	for _, c := range candidates {
		c.Line().Open()
		all.Go(c.Stop)
	}
	all.Wait()
}

// EtcdRequests counts those of one leader and some followers, in real time, for so long.
func EtcdRequests(endpoints []string, s contender.Settings, followers int, window time.Duration) (int, error) {
	var sent atomic.Int64
	var candidates []*contender.Etcd
	defer func() { stopEtcd(candidates) }()
	for i := range 1 + followers {
		c := contender.NewEtcd(endpoints, fmt.Sprint("node-", i), s, &sent)
		if err := c.Start(); err != nil {
			return 0, err
		}
		candidates = append(candidates, c)
	}
	if _, err := etcdLeader(candidates, nil, time.Minute); err != nil {
		return 0, err
	}
	time.Sleep(s.Lease)
	before := sent.Load()
	time.Sleep(window)
	return int(sent.Load() - before), nil
}
