package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// columns is where the parts of the table stand; a narrow terminal shows no process numbers.
type columns struct {
	pid, state, lease int // 0 for none
	bar               int // width of a whole lease
}

func columnsFor(width int) columns {
	if width >= plainWidth {
		return columns{pid: 11, state: 23, lease: 47, bar: 24}
	}
	return columns{state: 11, lease: 35, bar: max(min(24, width-35-8), 8)}
}

// screen is the terminal's alternate screen, which leaves what the terminal showed before as it was.
type screen struct {
	out     io.Writer
	colours bool
	open    bool
}

// draw replaces what was drawn before.
func (s *screen) draw(lines []line, width int) error {
	var b strings.Builder
	if !s.open {
		b.WriteString("\x1b[?1049h\x1b[?25l") // and hide the cursor
		s.open = true
	}
	b.WriteString("\x1b[H") // from the top left
	for _, l := range lines {
		b.WriteString(l.render(width, s.colours) + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J") // and nothing below
	_, err := io.WriteString(s.out, b.String())
	return err
}

// close brings back what the terminal showed before, and the cursor.
func (s *screen) close() error {
	if !s.open {
		return nil
	}
	s.open = false
	_, err := io.WriteString(s.out, "\x1b[?25h\x1b[?1049l")
	return err
}

// frame is what the screen shows now.
func (c *cluster) frame(width, height int) []line {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, at := clock(), columnsFor(width)
	lines := []line{
		{},
		line{{bold, "  s3lect demo"}}.add(plain, " %s", stamp(now-c.began)).
			add(dim, "   %d processes, one file, %s", len(c.ids), c.how("one leader")),
		{},
		line{{dim, "  process"}}.pad(at.state).add(dim, "state").pad(at.lease).add(dim, "its lease of %v", c.opts.Lease),
	}
	for _, id := range c.ids {
		if l := c.current(id); l != nil {
			lines = append(lines, c.memberLine(l, now, at))
		}
	}
	lines = append(lines, line{})
	lines = append(lines, c.stepLines(width)...)
	lines = append(lines, line{})
	foot := []line{{}, c.footLine()}
	return append(append(lines, c.eventLines(height-len(lines)-len(foot)-1)...), foot...)
}

// memberLine shows one member: who it is, how it is, and its lease running down.
func (c *cluster) memberLine(l *life, now time.Duration, at columns) line {
	remaining := time.Duration(0)
	if l.last.Leader || l.condition == killed {
		remaining = max(0, l.last.At+l.last.Remaining-now)
	}
	name, tone := bold, leads
	text, how := fmt.Sprintf("LEADER, term %d", l.last.Term), leads
	switch {
	case l.condition == killed || l.condition == ended:
		text, how, tone, name = "killed", hurt, dim, dim
	case l.condition == frozen:
		text, how, tone = "frozen", cold, cold
	case l.cut && l.last.Leader:
		text, how, tone = text+", cut off", severed, severed
	case l.cut:
		text, how = "cut off", severed
	case l.last.Leader:
	case l.last.Follows != "":
		text, how = "follows "+l.last.Follows, plain
	case c.opts.Quorum:
		text, how = "waits for the others", dim
	default:
		text, how = "starting", dim
	}
	row := line{{name, "  "}}.add(name, "%s", l.ID)
	if at.pid > 0 {
		row = row.pad(at.pid).add(dim, "pid %d", l.pid)
	}
	row = row.pad(at.state).add(how, "%s", text).pad(at.lease)
	if remaining == 0 {
		return row
	}
	return append(row, bar(float64(remaining)/float64(c.opts.Lease), at.bar, tone)...).
		add(tone, "  %.1f s", remaining.Seconds())
}

// stepLines shows the present step of the scenario, always in as many lines.
func (c *cluster) stepLines(width int) []line {
	var step event
	for _, e := range c.events {
		if e.Kind == eventStep {
			step = e
		}
	}
	lines := []line{line{{bold, "  ▸ "}}.add(bold, "%s", step.Text)}
	why := wrap(step.Why, width-6)
	for i := range 2 {
		text := ""
		if i < len(why) {
			text = why[i]
		}
		lines = append(lines, line{{plain, "    "}}.add(dim, "%s", text))
	}
	return lines
}

// eventLines shows the latest events, at most as many as there is room for.
func (c *cluster) eventLines(room int) []line {
	var lines []line
	for _, e := range c.events {
		if e.Kind != eventStep {
			lines = append(lines, c.eventLine(e))
		}
	}
	room = min(max(room, 0), 8)
	for len(lines) < room {
		lines = append(lines, line{})
	}
	return lines[len(lines)-room:]
}

func (c *cluster) eventLine(e event) line {
	tone := plain
	switch e.Kind {
	case eventLeads:
		tone = leads
	case eventFault, eventMend:
		tone = markStyle(e.Mark)
	case eventStep:
		return line{{bold, "▸ "}}.add(bold, "%s", e.Text)
	}
	l := line{{dim, "  "}}.add(dim, "%s  ", stamp(e.At-c.began))
	if e.ID != "" {
		l = l.add(tone, "%s ", e.ID)
	}
	return l.add(tone, "%s", e.Text)
}

func (c *cluster) footLine() line {
	var q requests
	for _, l := range c.lives {
		q.add(l.last.Requests)
	}
	return line{{plain, "  "}}.add(dim, "%d reads, %d writes so far    Ctrl-C ends it all", q.Reads, q.Writes)
}
