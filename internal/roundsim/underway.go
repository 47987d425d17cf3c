package roundsim

import "sync"

// underWay are requests on their way. Other than with a sync.WaitGroup, one may start while somebody
// waits: a server that has left a call behind does not know when that begins.
type underWay struct {
	mu    sync.Mutex
	count int
	none  chan struct{} // closed when there is none any more; nil if nobody waits
}

func (u *underWay) start(travel func()) {
	u.mu.Lock()
	u.count++
	u.mu.Unlock()
	go func() {
		defer u.end()
		travel()
	}()
}

func (u *underWay) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count--; u.count == 0 && u.none != nil {
		close(u.none)
		u.none = nil
	}
}

// wait waits until there is none. One waits at a time.
func (u *underWay) wait() {
	u.mu.Lock()
	none := make(chan struct{})
	if u.count == 0 {
		close(none)
	} else {
		u.none = none
	}
	u.mu.Unlock()
	<-none
}
