//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// markdown writes the result as tables.
func (r *result) markdown() string {
	var b strings.Builder
	r.Head.markdown(&b)
	if len(r.Commits) > 0 {
		fmt.Fprintf(&b, "\n### Commits\n\nCommits/s, then p50 / p99. Commands of %d bytes; medians of %d rounds of %v, interleaved.\n\n", r.Head.Size, r.Head.Rounds, r.Head.Length)
		rates(&b, "store", r.Commits)
	}
	if len(r.Overhead) > 0 {
		r.overheadMarkdown(&b)
	}
	if len(r.Reads) > 0 {
		fmt.Fprintf(&b, "\n### Linearizable reads\n\nReads/s, then p50 / p99; medians of %d rounds of %v, interleaved.\n\n", r.Head.Rounds, r.Head.Length)
		rates(&b, "cluster", r.Reads)
	}
	if len(r.Failover) > 0 {
		fmt.Fprintf(&b, "\n### Failover\n\nUntil another node has committed its first command.\n\n")
		delays(&b, r.Failover)
	}
	if len(r.Handover) > 0 {
		fmt.Fprintf(&b, "\n### Handover\n\n")
		delays(&b, r.Handover)
	}
	if len(r.Restore) > 0 {
		r.restoreMarkdown(&b)
	}
	if len(r.Idle) > 0 {
		r.idleMarkdown(&b)
	}
	return b.String()
}

func (h head) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "- %s, `%s`, which took %s\n", h.Date, h.Command, h.Took)
	fmt.Fprintf(b, "- %s; load average at the beginning %s\n", h.Machine, h.Load)
	fmt.Fprintf(b, "- 4 KiB written and synced: %s at the median\n", short(h.Sync))
	fmt.Fprintf(b, "- %s; %s\n", h.Go, strings.Join(h.Versions, ", "))
}

// table writes rows of cells; the first row is the head.
func table(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(b, "|%s\n", strings.Repeat("---|", len(row)))
		}
	}
}

// rates writes a row for each target and a column for each number of clients.
func rates(b *strings.Builder, what string, measured []commitRow) {
	rows := [][]string{{what, "transport"}}
	for _, m := range measured {
		if m.Target == measured[0].Target && m.Transport == measured[0].Transport {
			rows[0] = append(rows[0], plural(m.Clients, "client"))
		}
		last := rows[len(rows)-1]
		if len(rows) == 1 || last[0] != m.Target || last[1] != m.Transport {
			rows = append(rows, []string{m.Target, m.Transport})
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], fmt.Sprintf("%s; %s / %s", thousands(m.Rate), short(m.P50), short(m.P99)))
	}
	table(b, rows)
}

func (r *result) overheadMarkdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Overhead over the bare engine\n\nThe same store, transport and configuration, over tcp; medians of %d pairs of rounds of %v. The ratio is that of the commits/s, "+
		"ours to the bare engine's, with its quartiles; the other one is that of the processor time per commit.\n\n", r.Head.Pairs, r.Head.Pair)
	rows := [][]string{{"store", "clients", "ours, commits/s", "bare, commits/s", "ratio (quartiles)", "processor time per commit, ours / bare (ratio)"}}
	for _, o := range r.Overhead {
		rows = append(rows, []string{
			o.Store, fmt.Sprint(o.Clients), thousands(o.Ours.Rate), thousands(o.Bare.Rate),
			fmt.Sprintf("**%.3f** (%.3f to %.3f)", o.Ratio, o.RatioLow, o.RatioHigh),
			fmt.Sprintf("%s / %s (%.3f)", short(o.Ours.CPU), short(o.Bare.CPU), o.CPURatio),
		})
	}
	table(b, rows)
}

func delays(b *strings.Builder, measured []delayRow) {
	rows := [][]string{{"what", "least election time-out", "runs", "p50", "p99", "longest"}}
	for _, m := range measured {
		rows = append(rows, []string{m.What, m.Election.String(), fmt.Sprint(m.Runs), short(m.P50), short(m.P99), short(m.Max)})
	}
	table(b, rows)
}

func (r *result) restoreMarkdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### A snapshot of %d MiB\n\nThe state machine streams, and holds nothing of it. Peaks are of the whole process: resident memory, and in brackets the "+
		"largest heap.\n\n", r.Restore[0].MiB)
	rows := [][]string{{"store", "leader writes it", "a new node has it", "a node starts with it", "peak of the leader", "of the new node", "of the started node"}}
	for _, m := range r.Restore {
		rows = append(rows, []string{m.Store, short(m.Take), short(m.Join), short(m.Restart), peak(m.Leader), peak(m.Member), peak(m.Restarted)})
	}
	table(b, rows)
}

func peak(u usage) string { return fmt.Sprintf("%s (%s)", mib(u.RSSPeak), mib(u.HeapPeak)) }

func (r *result) idleMarkdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### An idle node\n\nIn a process of its own, with default time-outs, over tcp.\n\n")
	rows := [][]string{{"store", "role", "goroutines", "live heap", "resident memory", "processor time per minute", "messages sent per second"}}
	for _, m := range r.Idle {
		rows = append(rows, []string{m.Store, m.Role, fmt.Sprint(m.Goroutines), mib(m.Heap), mib(m.RSS), short(m.CPU), fmt.Sprintf("%.1f", m.Messages)})
	}
	table(b, rows)
}

// short gives a duration three digits at the most.
func short(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.size {
			return digits(float64(d)/float64(unit.size)) + " " + unit.name
		}
	}
	return fmt.Sprintf("%d ns", d.Nanoseconds())
}

func digits(value float64) string {
	decimals := max(0, 2-int(math.Floor(math.Log10(value))))
	return fmt.Sprintf("%.*f", decimals, value)
}

// thousands writes a rate without decimals and with commas.
func thousands(rate float64) string {
	text := fmt.Sprintf("%.0f", rate)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func mib(bytes uint64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%.0f GiB", float64(bytes)/(1<<30))
	}
	return digits(max(float64(bytes)/(1<<20), 0.01)) + " MiB"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
