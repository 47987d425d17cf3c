package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// label is what a client writes before the type of its command, so that the command is known wherever it turns up.
type label struct {
	number int
	bound  uint64 // the only term in which it may be applied; 0 for any
}

func (l label) on(c consensus.Command) consensus.Command {
	c.Type = fmt.Sprintf("%d %d %s", l.number, l.bound, c.Type)
	c.Term = l.bound
	return c
}

func readLabel(entryType string) (l label, rest string, err error) {
	if _, err = fmt.Sscanf(entryType, "%d %d %s", &l.number, &l.bound, &rest); err != nil {
		err = fmt.Errorf("command type %q: %w", entryType, err)
	}
	return l, rest, err
}

// witness is a key-value machine whose every step is judged by the ledger. Like any real machine it sometimes takes its time.
type witness struct {
	inner   *kv.Machine
	process *process
	ledger  *ledger
	dice    *dice
	weather Weather

	mu    sync.Mutex
	last  uint64 // index of the last command
	chain uint64
}

func newWitness(p *process, l *ledger, d *dice, w Weather) *witness {
	return &witness{inner: kv.New(), process: p, ledger: l, dice: d, weather: w}
}

func (w *witness) Apply(entry consensus.LogEntry) error {
	_, err := w.ApplyResult(entry)
	return err
}

func (w *witness) ApplyResult(entry consensus.LogEntry) (any, error) {
	if d := w.dice.between(0, w.weather.thinking); w.dice.chance(w.weather.thinks) {
		time.Sleep(d)
	}
	c, rest, err := readLabel(entry.Type)
	if err != nil {
		return nil, err
	}
	if !w.process.isDead() { // the dead may do as they like: nobody sees it
		last, chain := w.state()
		chain = w.ledger.applied(w.process.name(), chain, last, entry, c)
		w.set(entry.Index, chain)
	}
	entry.Type = rest
	return w.inner.ApplyResult(entry)
}

func (w *witness) Query(query any) (any, error) { return w.inner.Query(query) }

// state returns the index of the last command and the hash of everything up to it.
func (w *witness) state() (last, chain uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.chain
}

func (w *witness) set(last, chain uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.chain = last, chain
}

// A snapshot begins with the index of the last command and the hash.
type header struct{ Last, Chain uint64 }

func (w *witness) Snapshot() (*consensus.Snapshot, error) {
	inner, err := w.inner.Snapshot()
	if err != nil {
		return nil, err
	}
	last, chain := w.state()
	d := w.dice.between(0, w.weather.thinking*10)
	return &consensus.Snapshot{Release: inner.Release, WriteTo: func(to io.Writer) error {
		if err := binary.Write(to, binary.LittleEndian, header{last, chain}); err != nil {
			return err
		}
		time.Sleep(d) // commands are applied meanwhile
		return inner.WriteTo(to)
	}}, nil
}

func (w *witness) Restore(snapshot *consensus.Snapshot) error {
	from := snapshot.Reader
	if from == nil {
		from = bytes.NewReader(snapshot.Data)
	}
	var h header
	if err := binary.Read(from, binary.LittleEndian, &h); err != nil {
		return fmt.Errorf("read the header of a snapshot: %w", err)
	}
	if err := w.inner.Restore(&consensus.Snapshot{Index: snapshot.Index, Term: snapshot.Term, Reader: from}); err != nil {
		return err
	}
	if !w.process.isDead() {
		w.ledger.restored(w.process.name(), h.Last, h.Chain)
		w.process.world.count(&w.process.world.restores)
	}
	w.set(h.Last, h.Chain)
	return nil
}
