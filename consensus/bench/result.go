//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// result is what a run has measured. Durations are in nanoseconds.
type result struct {
	Head     head          `json:"head"`
	Commits  []commitRow   `json:"commits,omitempty"`
	Overhead []overheadRow `json:"overhead,omitempty"`
	Reads    []commitRow   `json:"reads,omitempty"`
	Failover []delayRow    `json:"failover,omitempty"`
	Handover []delayRow    `json:"handover,omitempty"`
	Restore  []restoreRow  `json:"restore,omitempty"`
	Idle     []idleRow     `json:"idle,omitempty"`
}

func (r *result) write(o options) error {
	var errs []error
	if o.jsonFile != "" {
		encoded, err := json.MarshalIndent(r, "", "  ")
		if err == nil {
			err = os.WriteFile(o.jsonFile, append(encoded, '\n'), 0o644)
		}
		errs = append(errs, err)
	}
	if o.markdownFile == "" {
		fmt.Print(r.markdown())
	} else {
		errs = append(errs, replaceMarked(o.markdownFile, r.markdown()))
	}
	return errors.Join(errs...)
}

// The lines of a page between which the result is.
const (
	markBegin = "<!-- measured: begin -->\n"
	markEnd   = "<!-- measured: end -->\n"
)

func replaceMarked(file, text string) error {
	page, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		page = []byte(markBegin + markEnd)
	} else if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), markBegin)
	_, after, ends := strings.Cut(rest, markEnd)
	if !begins || !ends {
		return fmt.Errorf("%s does not have the lines %q and %q", file, strings.TrimSpace(markBegin), strings.TrimSpace(markEnd))
	}
	return os.WriteFile(file, []byte(before+markBegin+text+markEnd+after), 0o644)
}
