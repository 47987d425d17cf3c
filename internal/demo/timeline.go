package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// labelWidth is the width of the names at the left.
const labelWidth = 10

// timeline draws who believed when that it led: a row a member, columns of equal time.
func (ch *chronicle) timeline(width int) []line {
	columns := max(width-labelWidth-1, 10)
	perColumn := max((ch.ended-ch.began)/time.Duration(columns)+1, 1)
	column := func(t time.Duration) int { return int((t - ch.began) / perColumn) }

	rows := []line{ch.axis(columns, perColumn)}
	for _, id := range ch.ids {
		cells := make([]piece, columns)
		for i := range cells {
			cells[i] = piece{plain, " "}
		}
		ch.drawMember(id, cells, column)
		rows = append(rows, append(line{{bold, "  "}}.add(bold, "%s", id).pad(labelWidth), cells...))
	}
	if clash := ch.clashes(columns, column); clash != nil {
		rows = append(rows, append(line{{hurt, "  "}}.add(hurt, "TWO").pad(labelWidth), clash...))
	}
	return rows
}

// axis labels every few seconds, as close as there is room.
func (ch *chronicle) axis(columns int, perColumn time.Duration) line {
	step := 1
	for _, step = range []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600} {
		if inSeconds(step) >= 8*perColumn {
			break
		}
	}
	text := []byte(strings.Repeat(" ", columns))
	for t := 0; ; t += step {
		at := int(inSeconds(t) / perColumn)
		label := fmt.Sprintf("%ds", t)
		if at+len(label) > columns {
			return line{{dim, strings.Repeat(" ", labelWidth) + string(text)}}
		}
		copy(text[at:], label)
	}
}

func inSeconds(n int) time.Duration { return time.Duration(n) * time.Second }

// drawMember fills a member's row; what is drawn later covers what was drawn before.
func (ch *chronicle) drawMember(id string, cells []piece, column func(time.Duration) int) {
	fill := func(s span, p piece) {
		if s.To == 0 {
			s.To = ch.ended
		}
		for i := max(column(s.From), 0); i <= min(column(s.To), len(cells)-1); i++ {
			cells[i] = p
		}
	}
	for _, l := range ch.lives {
		if l.ID != id {
			continue
		}
		fill(l.span, piece{dim, "─"})
		for _, s := range l.cuts {
			fill(s, piece{severed, "╌"})
		}
		for _, s := range l.frozen {
			fill(s, piece{cold, "░"})
		}
	}
	for _, b := range ch.believed {
		if b.ID == id {
			fill(span{b.From, b.To}, piece{block, "█"})
			ch.drawTerm(b, cells, column)
		}
	}
	for _, e := range ch.events {
		if i := column(e.At); e.ID == id && e.Mark != 0 && i < len(cells) {
			cells[i] = piece{markStyle(e.Mark), string(e.Mark)}
		}
	}
}

// drawTerm writes the term at the beginning of a leadership, where it fits in.
func (ch *chronicle) drawTerm(b belief, cells []piece, column func(time.Duration) int) {
	digits := fmt.Sprint(b.Term)
	from, to := column(b.From), column(b.To)
	if to-from < len(digits)-1 || from+len(digits) > len(cells) {
		return
	}
	for i, digit := range digits {
		cells[from+i] = piece{inBlock, string(digit)}
	}
}

// clashes marks the columns in which two processes believed that they led; nil if there is none.
func (ch *chronicle) clashes(columns int, column func(time.Duration) int) line {
	found := overlaps(ch.believed)
	if len(found) == 0 {
		return nil
	}
	cells := slices.Repeat(line{{plain, " "}}, columns)
	for _, o := range found {
		for i := max(column(o.From), 0); i <= min(column(o.To), columns-1); i++ {
			cells[i] = piece{hurt, "!"}
		}
	}
	return cells
}

func markStyle(mark rune) style {
	switch mark {
	case 'K':
		return hurt
	case 'F', 'T':
		return cold
	case 'C', 'U':
		return severed
	default:
		return bold
	}
}

// legend explains the signs.
func legend(width int) []line {
	item := func(s style, sign, meaning string) line { return line{{s, sign}, {dim, " " + meaning}} }
	return append(
		flow([]line{
			{{inBlock, "1"}, {block, "██"}, {dim, " leads, in term 1"}}, item(dim, "───", "follows"),
			item(cold, "F░░T", "frozen"), item(severed, "C╌╌U", "cut off"),
		}, labelWidth, width),
		flow([]line{
			item(hurt, "K", "killed"), item(bold, "S", "started again"),
			item(bold, "R", "resigned"), item(bold, "H", "handed over"),
		}, labelWidth, width)...)
}
