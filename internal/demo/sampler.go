package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// samplePeriod is the time between two questions to the elector.
const samplePeriod = 2 * time.Millisecond

// sharp is how far the clock may run during one question; see the package documentation.
const sharp = time.Millisecond

// sample is one answer of an elector, and a line of the audit.
type sample struct {
	At        time.Duration `json:"at"` // clock()
	Leader    bool          `json:"leader"`
	Term      int64         `json:"term,omitempty"`
	Remaining time.Duration `json:"remaining,omitempty"`
}

// take asks the elector once. The moment of the answer is known to within sharp.
func take(c candidate) sample {
	for {
		s := sample{At: clock()}
		s.Leader = c.IsLeader()
		if clock()-s.At > sharp {
			continue
		}
		if s.Leader {
			s.Term, s.Remaining = c.Term(), c.Remaining()
		}
		return s
	}
}

// sampler keeps the audit of one member.
type sampler struct {
	candidate candidate
	audit     io.Writer       // each record reaches it in one Write, so that a kill loses nothing
	kick      <-chan struct{} // asks for a sample at once
	changed   func()          // called when the answer is another than before; must not block
}

// run samples until the context ends, and calls taken for each sample.
func (s *sampler) run(ctx context.Context, taken func()) error {
	tick := time.NewTicker(samplePeriod)
	defer tick.Stop()
	last, written := sample{}, true
	for {
		now := take(s.candidate)
		taken()
		if now.Leader && now.Term == 0 && last.Leader {
			now.Term = last.Term // it ended between the two questions
		}
		if now.Leader && !written {
			if err := s.write(last); err != nil {
				return err
			}
		}
		turned := now.Leader != last.Leader || now.Term != last.Term
		written = now.Leader || turned
		if written {
			if err := s.write(now); err != nil {
				return err
			}
		}
		if turned {
			s.changed()
		}
		last = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.kick:
		}
	}
}

func (s *sampler) write(record sample) error {
	line, err := json.Marshal(record)
	if err == nil {
		_, err = s.audit.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	return nil
}

// readAudit returns the samples in an audit file. A kill may have cut the last line short.
func readAudit(path string) ([]sample, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	var samples []sample
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		if !whole {
			break
		}
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("read audit %s: %w", path, err)
		}
		samples = append(samples, s)
	}
	return samples, nil
}
