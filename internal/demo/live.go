package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Columns of the table, and the width of a whole lease.
const (
	stateColumn = 23
	leaseColumn = 23 // after the state
	barWidth    = 24
)

// screen redraws a block of lines in place.
type screen struct {
	out     io.Writer
	colours bool
	drawn   int // lines on the screen
	width   int // when they were drawn
}

// draw replaces what was drawn before.
func (s *screen) draw(lines []line, width int) error {
	var b strings.Builder
	switch {
	case s.drawn == 0:
		b.WriteString("\x1b[?25l") // hide the cursor
	case width < s.width: // the terminal has wrapped the old lines: nobody knows where they begin
		b.WriteString("\x1b[2J\x1b[H")
	default:
		fmt.Fprintf(&b, "\x1b[%dA\r", s.drawn)
	}
	for _, l := range lines {
		b.WriteString(l.render(width-1, s.colours) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J") // and nothing below
	s.drawn, s.width = len(lines), width
	_, err := io.WriteString(s.out, b.String())
	return err
}

// erase takes the block away and shows the cursor again.
func (s *screen) erase() error {
	if s.drawn == 0 {
		return nil
	}
	_, err := fmt.Fprintf(s.out, "\x1b[%dA\r\x1b[J\x1b[?25h", s.drawn)
	s.drawn = 0
	return err
}

// frame is what the screen shows now.
func (c *cluster) frame(width, height int) []line {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := clock()
	lines := []line{
		{},
		line{{bold, "  s3lect demo"}}.add(dim, "  %d processes, one file, at most one leader", len(c.ids)).pad(stateColumn+leaseColumn).
			add(plain, "%s", stamp(now-c.began)),
		{},
		line{{dim, "  process"}}.pad(stateColumn).add(dim, "state").pad(stateColumn+leaseColumn).add(dim, "its lease of %v", c.opts.Lease),
	}
	for _, id := range c.ids {
		if l := c.current(id); l != nil {
			lines = append(lines, c.memberLine(l, now))
		}
	}
	lines = append(lines, line{})
	lines = append(lines, c.stepLines(width)...)
	lines = append(lines, line{})
	foot := []line{{}, c.footLine()}
	return append(append(lines, c.eventLines(height-len(lines)-len(foot)-1)...), foot...)
}

// memberLine shows one member: who it is, how it is, and its lease running down.
func (c *cluster) memberLine(l *life, now time.Duration) line {
	remaining := time.Duration(0)
	if l.last.Leader || l.condition == killed {
		remaining = max(0, l.last.At+l.last.Remaining-now)
	}
	name, tone := bold, leads
	text, how := fmt.Sprintf("LEADER  term %d", l.last.Term), leads
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
	default:
		text, how = "starting", dim
	}
	row := line{{name, "  "}}.add(name, "%s", l.ID).pad(labelWidth+1).add(dim, "pid %d", l.pid).pad(stateColumn).
		add(how, "%s", text).pad(stateColumn + leaseColumn)
	if remaining == 0 {
		return row
	}
	return append(row, bar(float64(remaining)/float64(c.opts.Lease), barWidth, tone)...).
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
	return line{{plain, "  "}}.add(dim, "%d reads, %d writes of the file so far       Ctrl-C ends it all", q.Reads, q.Writes)
}
