package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Comparison is the same scenario, played twice.
type Comparison struct {
	// Storage is where followers read the storage, Peers where they ask the leader.
	Storage *Result `json:"storage"`
	Peers   *Result `json:"peers"`
	// TwoLeaders is that of both.
	TwoLeaders Millis `json:"twoLeadersMillis"`
}

// compare plays the scenario of handoffs in both ways.
func compare(ctx context.Context, opts Options, dir string, d *display) (outcome, error) {
	script := func(c *cluster) error { return playHandoffs(ctx, c, opts.Lease) }
	storage, err := perform(ctx, newCluster(opts, filepath.Join(dir, "storage-only")), d, script)
	if err != nil {
		return nil, err
	}
	asking := newCluster(opts, filepath.Join(dir, "peers"))
	asking.peers = true
	if err := makeCertificates(asking.dir, asking.ids); err != nil {
		return nil, err
	}
	peers, err := perform(ctx, asking, d, script)
	if err != nil {
		return nil, err
	}
	return &Comparison{Storage: storage, Peers: peers, TwoLeaders: storage.TwoLeaders + peers.TwoLeaders}, nil
}

// how says what is special about this demo, and otherwise something else.
func (c *cluster) how(otherwise string) string {
	switch {
	case c.opts.Quorum:
		return fmt.Sprintf("no leader unless %d are alive", c.opts.quorum())
	case !c.opts.Peers:
		return otherwise
	case c.peers:
		return "followers ask the leader"
	default:
		return "followers read the file"
	}
}

func (c *Comparison) breach() Millis { return c.TwoLeaders }

func (c *Comparison) keep(dir string) {
	c.Storage.Directory, c.Peers.Directory = filepath.Join(dir, "storage-only"), filepath.Join(dir, "peers")
}

// report tells the comparison to people.
func (c *Comparison) report(width int) []line {
	width = min(max(width, minWidth), maxWidth) - 1
	var lines []line
	for _, part := range []struct {
		title string
		of    *Result
	}{{"Followers read the storage", c.Storage}, {"Followers ask the leader", c.Peers}} {
		lines = append(lines, line{}, line{{bold, "  " + part.title}})
		lines = append(lines, part.of.chronicle.timeline(width)...)
	}
	lines = append(lines, legend(width)...)
	lines = append(lines, line{})
	lines = append(lines, c.table()...)
	lines = append(lines, line{})
	return append(append(lines, c.whole().verdict(width)...), line{})
}

// table sets both ways side by side.
func (c *Comparison) table() []line {
	const left, right = 33, 46
	row := func(tone style, what, storage, peers string) line {
		return line{{plain, "  "}}.add(plain, "%s", what).pad(left).add(plain, "%12s", storage).pad(right).add(tone, "%12s", peers)
	}
	storage, peers := c.Storage.leaderless(), c.Peers.leaderless()
	return []line{
		line{{bold, "  Requests to storage a minute"}}.pad(left).add(dim, "%12s", "storage only").pad(right).add(dim, "%12s", "with peers"),
		row(bold, "reads", perMinute(c.Storage.Steady.ReadsPerMinute), perMinute(c.Peers.Steady.ReadsPerMinute)),
		row(plain, "writes", perMinute(c.Storage.Steady.WritesPerMinute), perMinute(c.Peers.Steady.WritesPerMinute)),
		{},
		{{bold, "  For how long nobody led"}},
		row(plain, fmt.Sprintf("%d handoffs, on average", len(storage.handoffs)), brief(mean(storage.handoffs)), brief(mean(peers.handoffs))),
		row(bold, "at the longest", brief(longest(storage.handoffs)), brief(longest(peers.handoffs))),
		row(plain, "leader killed", brief(mean(storage.crashes)), brief(mean(peers.crashes))),
	}
}

// brief writes a duration that may be a matter of milliseconds.
func brief(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return seconds(d)
}

func perMinute(n float64) string { return fmt.Sprintf("%.0f", n) }

// whole is what the verdict is about.
func (c *Comparison) whole() *Result {
	return &Result{
		TwoLeaders:       c.TwoLeaders,
		TwoLeadersAtMost: c.Storage.TwoLeadersAtMost + c.Peers.TwoLeadersAtMost,
		Samples:          c.Storage.Samples + c.Peers.Samples,
		Overlaps:         slices.Concat(c.Storage.Overlaps, c.Peers.Overlaps),
	}
}

// gaps are the times without a leader, by what ended the leadership before.
type gaps struct{ handoffs, crashes []time.Duration }

func (r *Result) leaderless() (g gaps) {
	for _, f := range r.Faults {
		if f.words.kind == kill {
			g.crashes = append(g.crashes, time.Duration(f.Leaderless))
		} else {
			g.handoffs = append(g.handoffs, time.Duration(f.Leaderless))
		}
	}
	return g
}

func mean(of []time.Duration) (sum time.Duration) {
	for _, d := range of {
		sum += d
	}
	return sum / time.Duration(max(len(of), 1))
}

func longest(of []time.Duration) time.Duration { return slices.Max(append([]time.Duration{0}, of...)) }
