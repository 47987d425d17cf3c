package s3lect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// maxCalls bounds the storage calls that run at once. Only a storage that ignores its context can
// come to more than one: the abandoned ones go on.
const maxCalls = 4

// perform begins the call that the machine wants, and abandons the one it no longer waits for. It
// reports whether the machine has to be asked again.
func (r *run) perform(now lease.Instant) bool {
	call := r.machine.Call()
	if call == r.call {
		return false
	}
	if r.cancelCall != nil {
		r.cancelCall()
		r.cancelCall = nil
	}
	r.call = call
	if call == nil {
		return false
	}
	if r.calls == maxCalls {
		r.call = nil
		r.machine.Answer(now, lease.Answer{
			Kind: lease.Failed,
			Err:  fmt.Errorf("%d storage calls have not returned, although their contexts were cancelled", maxCalls),
		})
		return true
	}
	ctx, cancel := context.WithCancel(r.base)
	r.cancelCall = cancel
	r.calls++
	key := r.config.LockfilePath
	leaseTime := r.config.LeaderTimeout
	go func() {
		answer := r.e.perform(ctx, key, call, leaseTime)
		r.do(func(now lease.Instant) { r.answered(now, call, answer) })
	}()
	return false
}

// answered hands an answer to the machine, if it still waits for it.
func (r *run) answered(now lease.Instant, call *lease.Call, answer lease.Answer) {
	r.calls--
	if call != r.call || call != r.machine.Call() {
		return
	}
	r.cancelCall()
	r.call, r.cancelCall = nil, nil
	r.machine.Answer(now, answer)
}

// awaitCalls waits until all calls and questions have returned, for as long as one may take: a
// storage, or a transport, that ignores its context is left behind.
func (r *run) awaitCalls() {
	if r.cancelCall != nil {
		r.cancelCall()
	}
	if r.peers != nil {
		r.peers.drop()
	}
	r.timer.Reset(r.config.LeaderTimeout / 5)
	for r.calls+r.questions+r.rounds > 0 {
		select {
		case c := <-r.commands:
			r.obey(c)
		case <-r.timer.C():
			r.log().Warn("requests left behind: they ignore that their context was cancelled", "storage", r.calls+r.rounds, "peers", r.questions)
			return
		}
	}
}

// awaitLog waits until all is logged, but not for a log that is stuck.
func (r *run) awaitLog() {
	r.timer.Reset(time.Second)
	for logged := r.e.logs.empty(); logged != nil; {
		select {
		case <-logged:
			return
		case c := <-r.commands:
			r.obey(c)
		case <-r.timer.C():
			return
		}
	}
}

// perform does what the call asks for.
func (e *S3Elector) perform(ctx context.Context, key string, call *lease.Call, leaseTime time.Duration) lease.Answer {
	if call.Record == nil {
		return e.read(ctx, key)
	}
	var observers []lease.Observer
	if !call.Record.Resigned() || call.Record.QuorumLost { // else who is there is nobody's question
		observers = e.published(leaseTime)
	}
	return e.write(ctx, key, call, observers)
}

func (e *S3Elector) read(ctx context.Context, key string) lease.Answer {
	record, etag, err := readRecord(ctx, e.storage, key)
	switch {
	case err == nil:
		return lease.Answer{Kind: lease.OK, ETag: etag, Record: record}
	case errors.Is(err, ErrStorageNotFound):
		return lease.Answer{Kind: lease.Absent}
	case errors.Is(err, ErrBadRecord):
		return lease.Answer{Kind: lease.Bad, Err: err}
	case errors.Is(err, ErrStorageThrottled):
		return lease.Answer{Kind: lease.Throttled, Err: err}
	}
	return lease.Answer{Kind: lease.Failed, Err: err}
}

func (e *S3Elector) write(ctx context.Context, key string, call *lease.Call, observers []lease.Observer) lease.Answer {
	etag, err := "", error(nil)
	data, err := call.Record.Encode(observers...)
	if err != nil {
		data, err = call.Record.Encode() // the list is for information, and must not cost the leadership
	}
	if err == nil {
		if putter, ok := e.storage.(ETagPutter); ok {
			etag, err = putter.PutIfMatchETag(ctx, key, data, call.ETag)
		} else {
			err = e.storage.PutIfMatch(ctx, key, data, call.ETag)
		}
	}
	if err == nil {
		return lease.Answer{Kind: lease.OK, ETag: etag}
	}
	answer := lease.Answer{Kind: lease.Failed, Err: fmt.Errorf("write leader record %q: %w", key, err)}
	switch {
	case errors.Is(err, ErrStoragePrecondition):
		answer.Kind = lease.Refused
	case errors.Is(err, ErrStorageThrottled):
		answer.Kind = lease.Throttled
	}
	return answer
}
