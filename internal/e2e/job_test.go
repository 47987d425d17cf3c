//go:build unix

package e2e

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// jobArg makes the test binary the job that the leader runs.
const jobArg = "__job"

const tick = 10 * time.Millisecond

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == jobArg {
		if err := job(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "job:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	_ = os.RemoveAll(built.dir)
	os.Exit(code)
}

// job notes that it runs, again and again, until it is asked to end.
func job(name string) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	log, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	note := func(event string) error {
		_, err := fmt.Fprintf(log, "%s %s %d %s\n", os.Getenv("S3LECT_TERM"), os.Getenv("S3LECT_ID"), time.Now().UnixNano(), event)
		return err
	}
	if err := note("start"); err != nil {
		return err
	}
	for {
		select {
		case <-asked:
			return note("end")
		case <-time.After(tick):
			if err := note("tick"); err != nil {
				return err
			}
		}
	}
}

// entry is a line of the log. Appends to a file are serialised by the system, so the order of the
// lines is the order in which the jobs acted.
type entry struct {
	term  int64
	id    string
	at    time.Time
	event string
}

func parseLog(text string) ([]entry, error) {
	var entries []entry
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 4 || !strings.HasSuffix(line, "\n") {
			return nil, fmt.Errorf("line %d is broken: %q", len(entries)+1, line)
		}
		term, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return nil, err
		}
		at, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{term, fields[1], time.Unix(0, at), fields[3]})
	}
	return entries, nil
}

// audit returns what in the log should never be: a term after a higher one, a term with two
// holders, a job that acts before its start or after its end.
func audit(entries []entry) error {
	var last entry
	for n, e := range entries {
		switch {
		case e.term < last.term:
			return fmt.Errorf("line %d: term %d of %s after term %d of %s", n+1, e.term, e.id, last.term, last.id)
		case e.term > last.term && e.event != "start":
			return fmt.Errorf("line %d: term %d begins with %q", n+1, e.term, e.event)
		case e.term == last.term && e.id != last.id:
			return fmt.Errorf("line %d: term %d belongs to %s and %s", n+1, e.term, last.id, e.id)
		case e.term == last.term && (e.event == "start" || last.event == "end"):
			return fmt.Errorf("line %d: %q after %q in term %d", n+1, e.event, last.event, e.term)
		}
		last = e
	}
	return nil
}

func TestAuditFindsEveryBreach(t *testing.T) {
	for claim, log := range map[string]string{
		"terms interleaved":      "1 a 1 start\n2 b 2 start\n1 a 3 tick\n",
		"two holders of a term":  "1 a 1 start\n1 b 2 start\n",
		"no start":               "1 a 1 tick\n",
		"acting after the end":   "1 a 1 start\n1 a 2 end\n1 a 3 tick\n",
		"started twice":          "1 a 1 start\n1 a 2 start\n",
		"terms that go backward": "2 a 1 start\n2 a 2 end\n1 b 3 start\n",
	} {
		entries, err := parseLog(log)
		if err != nil || audit(entries) == nil {
			t.Errorf("%s: not found (%v)", claim, err)
		}
	}
	entries, err := parseLog("1 a 1 start\n1 a 2 tick\n2 b 3 start\n2 b 4 end\n4 a 5 start\n")
	if err != nil || audit(entries) != nil {
		t.Errorf("a good log is refused: %v, %v", err, audit(entries))
	}
}
