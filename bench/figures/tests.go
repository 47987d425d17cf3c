package figures

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
	"github.com/seed-6dc909bb/s3lect/bench/result"
	"github.com/seed-6dc909bb/s3lect/internal/figure"
)

// runTests runs tests and adds what they report.
func runTests(ctx context.Context, root string, log io.Writer, arguments []string, to *gathered) error {
	events := &events{gathered: to, log: log}
	if err := process.Run(ctx, root, events, log, "go", append([]string{"test", "-json"}, arguments...)...); err != nil {
		return err
	}
	return events.err
}

// events reads what go test -json writes, line by line.
type events struct {
	*gathered

	log  io.Writer
	rest []byte // of a line that has not ended
	err  error
}

// event is a line of go test -json; see go doc test2json.
type event struct{ Action, Test, Key, Value, Output string }

// Write implements io.Writer.
func (e *events) Write(data []byte) (int, error) {
	e.rest = append(e.rest, data...)
	for {
		line, rest, found := bytes.Cut(e.rest, []byte("\n"))
		if !found {
			return len(data), nil
		}
		if err := e.read(line); err != nil && e.err == nil {
			e.err = err
		}
		e.rest = rest
	}
}

func (e *events) read(line []byte) error {
	var heard event
	if err := json.Unmarshal(line, &heard); err != nil {
		return fmt.Errorf("read %q of go test -json: %w", line, err)
	}
	if _, err := io.WriteString(e.log, heard.Output); err != nil {
		return err
	}
	if heard.Action != "attr" || heard.Key != figure.Key {
		return nil
	}
	var f figure.Figure
	if err := json.Unmarshal([]byte(heard.Value), &f); err != nil {
		return fmt.Errorf("read a figure of %s: %w", heard.Test, err)
	}
	e.add(result.Cell{Case: f.Case, Metric: f.Metric, Unit: f.Unit, Note: f.Note}, f.Values...)
	return nil
}
