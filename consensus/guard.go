package consensus

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
)

// guardedStore stops the node when its storage fails. The engine goes on after some failures, as if a disk that has
// lost one write could be trusted with the next, and panics after others, which would end the whole process. Where it would
// panic, the engine's goroutine ends here instead: it cannot go on, and its cleanup runs.
type guardedStore struct {
	log    raft.LogStore
	stable raft.StableStore
	fail   func(error)
	// running is set once the engine has goroutines of its own. Before, failures are returned to Start.
	running atomic.Bool
	// forMachine is the newest entry of the log that the state machine gets to see, or one behind it. Entries that the engine
	// makes for itself are applied without anybody being told.
	forMachine atomic.Uint64
}

// currentTermKey is the engine's key whose loss it panics on.
const currentTermKey = "CurrentTerm"

// missing is the text of the engine's contract for a key without a value.
const missing = "not found"

func (g *guardedStore) failed(doing string, err error) error {
	var corrupt *raftstore.CorruptError
	sentinel := ErrStorageUnavailable
	if errors.As(err, &corrupt) {
		sentinel = ErrLogInconsistent
	}
	err = fmt.Errorf("%w: %s: %w", sentinel, doing, err)
	g.fail(err)
	return err
}

// endGoroutine ends a goroutine of the engine that would panic otherwise. Before the engine has any, Start recovers.
func (g *guardedStore) endGoroutine() {
	if g.running.Load() {
		runtime.Goexit()
	}
}

// applying says whether the engine reads an entry in order to apply it, where it panics on an error. Everywhere else
// it copes with one, and its goroutines must not end without cleaning up.
func applying() bool {
	var callers [16]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "raft.(*Raft).processLogs") {
			return true
		}
		if !more {
			return false
		}
	}
}

func (g *guardedStore) FirstIndex() (uint64, error) {
	index, err := g.log.FirstIndex()
	if err != nil {
		return 0, g.failed("find first entry of the log", err)
	}
	return index, nil
}

func (g *guardedStore) LastIndex() (uint64, error) {
	index, err := g.log.LastIndex()
	if err != nil {
		return 0, g.failed("find last entry of the log", err)
	}
	return index, nil
}

func (g *guardedStore) GetLog(index uint64, log *raft.Log) error {
	err := g.log.GetLog(index, log)
	if err == nil || errors.Is(err, raft.ErrLogNotFound) && !applying() {
		return err
	}
	err = g.failed(fmt.Sprintf("read entry %d of the log", index), err)
	if applying() {
		g.endGoroutine()
	}
	return err
}

func (g *guardedStore) StoreLog(log *raft.Log) error { return g.StoreLogs([]*raft.Log{log}) }

func (g *guardedStore) StoreLogs(logs []*raft.Log) error {
	if err := g.log.StoreLogs(logs); err != nil {
		return g.failed(fmt.Sprintf("append %d entries to the log", len(logs)), err)
	}
	for _, log := range logs {
		if isForMachine(log) {
			g.forMachine.Store(log.Index)
		}
	}
	return nil
}

func isForMachine(log *raft.Log) bool {
	return log.Type == raft.LogCommand || log.Type == raft.LogConfiguration
}

// findForMachine looks for the newest entry for the machine, from the end of the log.
func (g *guardedStore) findForMachine() error {
	first, err := g.FirstIndex()
	if err != nil || first == 0 {
		return err
	}
	last, err := g.LastIndex()
	if err != nil {
		return err
	}
	for ; last > first; last-- {
		var log raft.Log
		if err := g.GetLog(last, &log); err != nil {
			return err
		}
		if isForMachine(&log) {
			break
		}
	}
	g.forMachine.Store(last)
	return nil
}

func (g *guardedStore) DeleteRange(first, last uint64) error {
	if err := g.log.DeleteRange(first, last); err != nil {
		return g.failed(fmt.Sprintf("remove entries %d to %d from the log", first, last), err)
	}
	return nil
}

func (g *guardedStore) Set(key, value []byte) error {
	if err := g.stable.Set(key, value); err != nil {
		return g.failed("write "+string(key), err)
	}
	return nil
}

func (g *guardedStore) Get(key []byte) ([]byte, error) {
	value, err := g.stable.Get(key)
	if err != nil && err.Error() != missing {
		return nil, g.failed("read "+string(key), err)
	}
	return value, err
}

func (g *guardedStore) SetUint64(key []byte, value uint64) error {
	err := g.stable.SetUint64(key, value)
	if err == nil {
		return nil
	}
	err = g.failed("write "+string(key), err)
	if string(key) == currentTermKey {
		g.endGoroutine()
	}
	return err
}

func (g *guardedStore) GetUint64(key []byte) (uint64, error) {
	value, err := g.stable.GetUint64(key)
	if err != nil && err.Error() != missing {
		return 0, g.failed("read "+string(key), err)
	}
	return value, err
}
