package transporttest

import (
	"io"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// stuckEngine: the node lives and its connections too, but nothing takes the requests.
func stuckEngine(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	eachFails(t, a, b.id, b.LocalAddr())
}

// lateAnswer: what comes after its time is not the answer to the next request.
func lateAnswer(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	for term := uint64(1); term <= 3; term++ {
		failed := make(chan error, 1)
		go func() { failed <- a.append(b, term) }()
		late := <-b.Consumer()
		require.Error(t, <-failed)
		late.Respond(&raft.AppendEntriesResponse{Term: term}, nil)
	}
	b.answer(agree)
	require.NoError(t, a.append(b, 77))
}

func absentPeer(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	address := b.LocalAddr()
	b.close(t)
	eachFails(t, a, "b", address)
}

// peerReturns has calls succeed as soon as the peer is back, also with connections of before.
func peerReturns(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(agree)
	address := b.LocalAddr()
	for term := uint64(1); term <= 3; term++ {
		require.NoError(t, a.append(b, term))
		b.close(t)
		require.Error(t, a.append(b, term))
		b = f.open(t, "b", func(c *transport.Config) { c.Bind = string(address) }).answer(agree)
		require.Eventually(t, func() bool { return a.append(b, term) == nil }, soon, time.Millisecond)
		for name, call := range everyCall(a, b.id, b.LocalAddr()) {
			require.NoError(t, call(), name)
		}
	}
}

// peerRestarts has the first call after the restart succeed, although the caller still holds connections of before.
func peerRestarts(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b").answer(agree)
	for range 10 {
		for name, call := range everyCall(a, b.id, b.LocalAddr()) {
			if name != "TimeoutNow" && name != "Pipeline" { // which are not done twice
				require.NoError(t, call(), name)
			}
		}
		address := b.LocalAddr()
		b.close(t)
		b = f.open(t, "b", at(string(address))).answer(agree)
	}
}

func closeInFlight(t *testing.T, f *fixture) {
	t.Helper()
	for _, side := range []string{"caller", "called"} {
		a, b := f.open(t, "a", patient), f.open(t, "b", patient)
		calls := everyCall(a, b.id, b.LocalAddr())
		delete(calls, "Heartbeat")
		delete(calls, "Pipeline")
		results := make(chan error, len(calls)+1)
		for _, call := range calls {
			go func() { results <- call() }()
		}
		for range len(calls) {
			<-b.Consumer() // and never answers
		}
		p := a.pipeline(t, b)
		flying, err := p.AppendEntries(entries(1, 1, 1), new(raft.AppendEntriesResponse))
		require.NoError(t, err)
		go func() { results <- flying.Error() }()
		<-b.Consumer()
		go func() {
			_, err := a.install(b.id, b.LocalAddr(), 64<<20, zeros{})
			results <- err
		}()
		<-b.Consumer()

		within(t, soon, "Close of the "+side, func() {
			if side == "caller" {
				assert.NoError(t, a.Close())
			} else {
				assert.NoError(t, b.Close())
			}
		})
		for range len(calls) + 2 {
			within(t, soon, "a call in flight", func() { assert.Error(t, <-results, side) })
		}
		a.close(t)
		b.close(t)
	}
}

// patient has calls not end by themselves for the time of the test.
func patient(c *transport.Config) { c.Timeout = time.Minute }

func closeTwice(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b").answer(agree)
	require.NoError(t, a.append(b, 1))
	for range 3 {
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
}

func callsAfterClose(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b").answer(agree)
	require.NoError(t, a.append(b, 1))
	require.NoError(t, a.Close())
	for name, call := range everyCall(a, b.id, b.LocalAddr()) {
		within(t, soon, name, func() { assert.Error(t, call(), name) })
	}
	_, err := a.install(b.id, b.LocalAddr(), 1000, newRandom(1000))
	require.Error(t, err)
	select {
	case <-a.Consumer():
		assert.Fail(t, "a request after Close")
	default:
	}
}

// frozenPeer: its machine takes what is sent, and nothing comes back, on open connections and new ones.
func frozenPeer(t *testing.T, f *fixture) {
	t.Helper()
	a, b, p := f.openBehindProxy(t)
	require.NoError(t, a.appendAt(b.id, b.LocalAddr(), 1))
	p.freeze()
	eachFails(t, a, b.id, b.LocalAddr())
	eachFails(t, a, b.id, b.LocalAddr())
}

func thawedPeer(t *testing.T, f *fixture) {
	t.Helper()
	a, b, p := f.openBehindProxy(t)
	other := f.open(t, "c").answer(agree)
	p.freeze()
	require.Error(t, a.append(b, 1))
	require.NoError(t, a.append(other, 1), "the others are not disturbed")
	p.thaw()
	require.Eventually(t, func() bool { return a.append(b, 2) == nil }, soon, time.Millisecond)
}

func frozenReceiver(t *testing.T, f *fixture) {
	t.Helper()
	a, b, p := f.openBehindProxy(t)
	data := &trigger{Reader: zeros{}, after: 4 << 20, do: p.freeze}
	within(t, 2*soon, "InstallSnapshot", func() {
		_, err := a.install(b.id, b.LocalAddr(), 64<<20, data)
		assert.Error(t, err)
	})
}

// frozenSender also shows that the receiver's engine, which does nothing else while it reads, gets free.
func frozenSender(t *testing.T, f *fixture) {
	t.Helper()
	a, b, p := f.openBehindProxy(t, func(n *node) *node { return n })
	failed := make(chan error, 1)
	go func() {
		_, err := a.install(b.id, b.LocalAddr(), 64<<20, zeros{})
		failed <- err
	}()
	snapshot := <-b.Consumer()
	_, err := snapshot.Reader.Read(make([]byte, 1000))
	require.NoError(t, err)
	p.freeze()
	within(t, 2*soon, "the receiver's reading", func() {
		for err == nil {
			_, err = snapshot.Reader.Read(make([]byte, 64<<10))
		}
	})
	snapshot.Respond(nil, err)
	within(t, 2*soon, "InstallSnapshot", func() { assert.Error(t, <-failed) })
}

// frozenInstaller has the receiver freeze when it has the whole snapshot: for its size it might take long.
func frozenInstaller(t *testing.T, f *fixture) {
	t.Helper()
	const size = 64 << 20
	var p *proxy
	a, b, p := f.openBehindProxy(t, func(n *node) *node {
		return n.answer(func(rpc raft.RPC) {
			for left := size; left > 0; {
				n, err := rpc.Reader.Read(make([]byte, 64<<10))
				if err != nil {
					return
				}
				left -= n
			}
			p.freeze()
		})
	})
	within(t, 2*soon, "InstallSnapshot", func() {
		_, err := a.install(b.id, b.LocalAddr(), size, zeros{})
		assert.Error(t, err)
	})
}

// trigger does something once when so much has been read.
type trigger struct {
	io.Reader
	after int
	do    func()
}

func (r *trigger) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if r.after > 0 && r.after <= n {
		r.do()
	}
	r.after -= n
	return n, err
}
