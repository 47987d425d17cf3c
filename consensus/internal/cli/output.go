package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// output is how an answer is printed: the value of --output.
type output struct{ json bool }

func (o *output) addFlag(cmd *cobra.Command) {
	cmd.Flags().VarP(o, "output", "o", "`format` of what is printed: text or json")
	completeFlag(cmd, "output", "text", "json")
}

func (o *output) String() string {
	if o.json {
		return "json"
	}
	return "text"
}

// Type is what the help shows in the place of a value.
func (o *output) Type() string { return "format" }

// Set takes text or json.
func (o *output) Set(value string) error {
	if value != "text" && value != "json" {
		return fmt.Errorf("%q is neither text nor json", value)
	}
	o.json = value == "json"
	return nil
}

// print writes the answer as JSON or as text.
func (o *output) print(w io.Writer, answer any, text func(io.Writer)) error {
	var page bytes.Buffer
	if o.json {
		e := json.NewEncoder(&page)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(answer); err != nil {
			return err
		}
	} else {
		text(&page)
	}
	if _, err := w.Write(page.Bytes()); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// printApplied is print for the answer to a command, which must not look like one that was not applied.
func (o *output) printApplied(w io.Writer, answer any, text func(io.Writer)) error {
	if err := o.print(w, answer, text); err != nil {
		return &exitError{code: exitUnknown, err: fmt.Errorf("the command is applied: %w", err)}
	}
	return nil
}

// plain is text from a server for a terminal: what could move the cursor or break the line is quoted.
func plain(s string) string {
	if quoted := strconv.Quote(s); strings.ReplaceAll(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), `\\`, `\`) != s {
		return quoted
	}
	return s
}
