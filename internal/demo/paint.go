package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// style is how a piece of text looks, as the parameters of an ANSI escape sequence.
type style string

const (
	plain   style = ""
	bold    style = "1"
	dim     style = "2"
	leads   style = "1;32" // bold green
	block   style = "32"   // green
	inBlock style = "7;32" // text on a block
	hurt    style = "1;31" // bold red
	cold    style = "1;36" // bold cyan
	severed style = "1;33" // bold yellow
)

// piece is text of one style.
type piece struct {
	style style
	text  string
}

// line is one line of a display. Every character of it is one column wide.
type line []piece

func (l line) add(s style, format string, args ...any) line {
	return append(l, piece{s, fmt.Sprintf(format, args...)})
}

// pad brings the line to a width of at least n columns.
func (l line) pad(n int) line {
	if missing := n - l.width(); missing > 0 {
		return append(l, piece{plain, strings.Repeat(" ", missing)})
	}
	return l
}

func (l line) width() (n int) {
	for _, p := range l {
		n += utf8.RuneCountInString(p.text)
	}
	return n
}

// render writes the line in at most width columns, with or without colours.
func (l line) render(width int, colours bool) string {
	var b strings.Builder
	for _, p := range l {
		text := []rune(p.text)
		if len(text) > width {
			text = text[:width]
		}
		width -= len(text)
		if colours && p.style != plain && len(text) > 0 {
			fmt.Fprintf(&b, "\x1b[%sm%s\x1b[0m", p.style, string(text))
		} else {
			b.WriteString(string(text))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// bar draws a share of width columns, to an eighth of a column.
func bar(share float64, width int, s style) line {
	share = min(max(share, 0), 1)
	eighths := int(share*float64(width)*8 + 0.5)
	full := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	rest := strings.Repeat("·", width-utf8.RuneCountInString(full))
	return line{{s, full}, {dim, rest}}
}

// seconds writes a duration for people.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// stamp writes a moment of the demo.
func stamp(d time.Duration) string { return fmt.Sprintf("%5.1f s", d.Seconds()) }

// wrap breaks a text into lines of at most width columns.
func wrap(text string, width int) (lines []string) {
	current := ""
	for _, word := range strings.Fields(text) {
		if current != "" && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, current)
			current = ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	return append(lines, current)
}

// flow sets items one after the other, in indented lines of at most width columns.
func flow(items []line, indent, width int) (lines []line) {
	current := line{}.pad(indent)
	for _, item := range items {
		if current.width() > indent && current.width()+2+item.width() > width {
			lines = append(lines, current)
			current = line{}.pad(indent)
		}
		if current.width() > indent {
			current = current.pad(current.width() + 2)
		}
		current = append(current, item...)
	}
	return append(lines, current)
}
