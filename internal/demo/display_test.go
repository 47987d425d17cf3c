package demo

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// story is a short demo of three members: alpha is killed and comes back, bravo is frozen and
// thawed, charlie is cut off, alpha hands over to bravo.
func story() *chronicle {
	const s = time.Second
	began := 1000 * s
	at := func(seconds float64) time.Duration { return began + time.Duration(seconds*float64(s)) }
	process := func(id string, start int, from, to float64) *life {
		l := &life{
			MemberOptions: MemberOptions{ID: id, Start: start},
			span:          span{From: at(from)},
			last:          report{Samples: 1000, Requests: requests{Reads: 100, Writes: 10, Refused: 1, Failed: 2}},
		}
		if to > 0 {
			l.To = at(to)
		}
		return l
	}
	believed := func(id string, start int, term int64, from, to float64) belief {
		b := belief{ID: id, Process: fmt.Sprintf("%s.%d", id, start), Term: term, From: at(from), To: at(to)}
		b.Earliest, b.Latest = b.From, b.To
		return b
	}
	happened := func(id string, mark rune, seconds float64) event {
		return event{At: at(seconds), ID: id, Mark: mark, Kind: eventFault}
	}
	done := func(kind faultKind, id string, from, to float64) struck {
		f := struck{fault: faults[kind], ID: id, At: at(from)}
		if to > 0 {
			f.Until = at(to)
		}
		return f
	}
	bravo := process("bravo", 1, 0, 0)
	bravo.frozen = []span{{at(9.2), at(14.2)}}
	charlie := process("charlie", 1, 0, 0)
	charlie.cuts = []span{{at(16.2), at(21.2)}}
	return &chronicle{
		ids: []string{"alpha", "bravo", "charlie"}, began: began, ended: at(28),
		lives: []*life{process("alpha", 1, 0, 3.2), bravo, charlie, process("alpha", 2, 7.2, 0)},
		believed: []belief{
			believed("alpha", 1, 1, 0.2, 3.2), believed("bravo", 1, 2, 6.2, 9.2), believed("charlie", 1, 3, 12.2, 18.2),
			believed("alpha", 2, 10, 19.2, 24.2), believed("bravo", 1, 11, 24.7, 28),
		},
		events: []event{
			happened("alpha", 'K', 3.2), happened("alpha", 'S', 7.2), happened("bravo", 'F', 9.2),
			happened("bravo", 'T', 14.2), happened("charlie", 'C', 16.2), happened("charlie", 'U', 21.2),
			happened("alpha", 'H', 24.2), happened("charlie", 0, 25),
		},
		struck: []struck{
			done(kill, "alpha", 3.2, 7.2), done(freezing, "bravo", 9.2, 14.2),
			done(cut, "charlie", 16.2, 21.2), done(transfer, "alpha", 24.2, 0),
		},
	}
}

// text renders lines without colours.
func text(lines []line, width int) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.render(width, false) + "\n")
	}
	return b.String()
}

func TestTheTimelineShowsWhoBelievedWhatWhen(t *testing.T) {
	assert.Equal(t, `
          0s        5s        10s       15s       20s       25s
  alpha   1█████K       S────────────────────────10████████H───────
  bravo   ────────────2█████F░░░░░░░░░T─────────────────────11█████
  charlie ────────────────────────3███████C█████╌╌╌╌╌U─────────────
`, "\n"+text(story().timeline(labelWidth+58), 200))
}

func TestTheTimelineMarksTwoLeaders(t *testing.T) {
	ch := story()
	ch.believed[1].To = ch.believed[2].From + 2*time.Second // bravo, thawed, still believed
	drawn := text(ch.timeline(labelWidth+58), 200)
	assert.Contains(t, drawn, "\n  TWO                             !!!!!\n")
}

func TestTheTimelineFitsIntoAnyWidth(t *testing.T) {
	for width := 1; width < 300; width++ {
		for _, l := range story().timeline(width) {
			assert.LessOrEqual(t, l.width(), max(width, labelWidth+11))
		}
	}
}

func TestTheReportTellsFaultsRequestsAndTheVerdict(t *testing.T) {
	ch := story()
	r := ch.result(Options{Lease: 3 * time.Second})
	told := text(r.report(80), 200)
	for _, want := range []string{
		"  alpha killed                   bravo, term 2        3.00 s   0.00 s    3.00 s\n",
		"  charlie cut off from storage   alpha, term 10       3.00 s   2.00 s    1.00 s\n",
		"  Requests to storage            400 reads, 40 writes; 4 refused, 8 unanswered\n",
		"  ✓ Never two leaders            0 ms during which two believed to lead\n",
		"4,000 samples",
	} {
		assert.Contains(t, told, want)
	}
	assertFits(t, r.report(80), 79)
	assertFits(t, r.report(minWidth), minWidth-1)
	narrow := text(r.report(minWidth), 200)
	assert.Contains(t, narrow, "    → alpha, term 10 after 3.00 s; nobody led for 1.00 s\n")
}

func assertFits(t *testing.T, lines []line, width int) {
	t.Helper()
	for _, l := range lines {
		assert.LessOrEqual(t, l.width(), width, l.render(1000, false))
	}
}

func TestTheReportTellsOfTwoLeaders(t *testing.T) {
	ch := story()
	ch.believed[1].To = ch.believed[2].From + 1500*time.Microsecond
	r := ch.result(Options{Lease: 3 * time.Second})
	told := text(r.report(80), 200)
	assert.Contains(t, told, "✗ TWO LEADERS")
	assert.Contains(t, told, "1.500 ms during which two believed to lead")
	assert.Contains(t, told, "bravo.1, charlie.1 from 12.2 s for 1.500 ms")
	assert.NotContains(t, told, "Never")
}

func TestAFaultWithoutASuccessorIsToldAsSuch(t *testing.T) {
	ch := story()
	ch.believed = ch.believed[:4]
	r := ch.result(Options{Lease: 3 * time.Second})
	assert.Contains(t, text(r.report(80), 200), "  alpha handed over to           none\n")
}

func TestTheResultIsWrittenInMilliseconds(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, writeJSON(&b, story().result(Options{Lease: 3 * time.Second})))
	assert.Contains(t, b.String(), `"leaseMillis": 3000.000`)
	assert.Contains(t, b.String(), `"twoLeadersMillis": 0.000`)
	assert.Contains(t, b.String(), `"failoverMillis": 3000.000`)
	assert.Contains(t, b.String(), `"overlaps": []`)
}

func TestLinesAreCutToTheWidthAndOnlyTextIsCounted(t *testing.T) {
	l := line{{leads, "alpha"}, {plain, " leads"}}
	assert.Equal(t, "alpha le", l.render(8, false))
	assert.Equal(t, "\x1b[1;32malpha\x1b[0m le", l.render(8, true))
	assert.Equal(t, "alpha leads   .", l.pad(14).add(plain, ".").render(80, false))
}

func TestABarShowsItsShare(t *testing.T) {
	for share, want := range map[float64]string{
		-1: "········", 0: "········", 0.5: "████····", 0.51: "████▏···", 0.99: "███████▉", 1: "████████", 7: "████████",
	} {
		assert.Equal(t, want, bar(share, 8, plain).render(80, false), "%v", share)
	}
}

func TestTextIsWrappedBetweenWords(t *testing.T) {
	assert.Equal(t, []string{"one two", "three", "four"}, wrap("one two  three four", 8))
	assert.Equal(t, []string{""}, wrap("", 8))
}

// clusterInTheMiddle is a cluster as it is while the demo runs: one leads, one is frozen, one is killed.
func clusterInTheMiddle() *cluster {
	c := newCluster(Options{Members: 3, Lease: 3 * time.Second}, "")
	now := clock()
	says := func(leader bool, follows string) report {
		return report{sample: sample{At: now, Leader: leader, Term: 4, Remaining: 2 * time.Second}, Follows: follows}
	}
	c.lives = []*life{
		{MemberOptions: MemberOptions{ID: "alpha"}, pid: 11, last: says(true, "alpha")},
		{MemberOptions: MemberOptions{ID: "bravo"}, pid: 12, last: says(true, "bravo"), condition: frozen},
		{MemberOptions: MemberOptions{ID: "charlie"}, pid: 13, last: says(false, "alpha"), cut: true},
	}
	c.announce("2 of 6: Kill the leader", strings.Repeat("It cannot say good-bye. ", 5))
	for range 30 {
		c.note("something happened, and it takes a long line to tell what it was, longer than any terminal")
	}
	return c
}

func TestAFrameShowsEveryMemberAndFitsTheTerminal(t *testing.T) {
	c := clusterInTheMiddle()
	lines := c.frame(80, 24)
	shown := text(lines, 79)
	assert.Regexp(t, `alpha +pid 11 +LEADER, term 4 +█+[▏▎▍▌▋▊▉]?·+  [12]\.\d s`, shown)
	assert.Regexp(t, `bravo +pid 12 +frozen +█+`, shown)
	assert.Regexp(t, `charlie +pid 13 +cut off\n`, shown)
	assert.Contains(t, shown, "Kill the leader")
	for width := minWidth; width < 200; width++ {
		for _, l := range c.frame(width, 24)[:10] { // down to the step; events are cut
			assert.LessOrEqual(t, l.width(), width, l.render(1000, false))
		}
	}
	for height := minHeight; height < 60; height++ {
		assert.Less(t, len(c.frame(80, height)), height, "the cursor's line must stay on the screen")
	}
	for shownLine := range strings.Lines(shown) {
		assert.LessOrEqual(t, utf8.RuneCountInString(shownLine), 80)
	}
}

func TestTheScreenIsRedrawnInPlaceAndGivenBack(t *testing.T) {
	var b bytes.Buffer
	s := &screen{out: &b}
	require.NoError(t, s.close())
	assert.Empty(t, b.String(), "nothing was drawn, nothing is to be given back")

	lines := []line{{{leads, "a"}}, {{plain, "a long line"}}}
	require.NoError(t, s.draw(lines, 6))
	assert.Equal(t, "\x1b[?1049h\x1b[?25l\x1b[Ha\x1b[K\r\na long\x1b[K\r\n\x1b[J", b.String(), "lines do not wrap")
	b.Reset()
	require.NoError(t, s.draw(lines[:1], 6))
	assert.Equal(t, "\x1b[Ha\x1b[K\r\n\x1b[J", b.String())
	b.Reset()
	require.NoError(t, s.close())
	assert.Equal(t, "\x1b[?25h\x1b[?1049l", b.String(), "the cursor comes back")
}

// goneTerminal takes no bytes any more.
type goneTerminal struct{}

func (goneTerminal) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestATerminalThatIsGoneIsNoticed(t *testing.T) {
	s := &screen{out: goneTerminal{}}
	require.ErrorIs(t, s.draw([]line{{}}, 80), io.ErrClosedPipe)
}

func TestAResultThatCannotBeWrittenIsAnError(t *testing.T) {
	for name, d := range map[string]*display{
		"json":  newDisplay(Options{JSON: true, Out: goneTerminal{}, Err: io.Discard}),
		"plain": newDisplay(Options{Out: goneTerminal{}, Err: io.Discard}),
	} {
		err := d.conclude(story().result(Options{Lease: time.Second}))
		require.ErrorIs(t, err, io.ErrClosedPipe, name)
	}
}

func TestWhatIsNoTerminalGetsPlainLines(t *testing.T) {
	var out, errs bytes.Buffer
	d := newDisplay(Options{Out: &out, Err: &errs})
	assert.Nil(t, d.terminal)
	assert.False(t, d.colours)
	c := clusterInTheMiddle()
	c.events = c.events[:1]
	d.show(c)()
	assert.NotContains(t, out.String(), "\x1b")
	assert.Contains(t, out.String(), "2 of 6: Kill the leader\n  It cannot say good-bye.")
	for shown := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, utf8.RuneCountInString(shown), plainWidth+1)
	}
}

func TestWithJSONTheEventsGoToStandardError(t *testing.T) {
	var out, errs bytes.Buffer
	d := newDisplay(Options{JSON: true, Out: &out, Err: &errs})
	d.show(clusterInTheMiddle())()
	assert.Empty(t, out.String())
	assert.NotEmpty(t, errs.String())
}
