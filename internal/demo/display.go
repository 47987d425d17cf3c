package demo

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

const (
	framePeriod = 80 * time.Millisecond
	plainWidth  = 80 // where there is no terminal to ask
	minHeight   = 20 // of a terminal for the live display, and a row more for each member over five
)

// display shows a demo while it runs, and its result.
type display struct {
	opts     Options
	progress io.Writer // where the events go
	terminal *os.File  // nil if the live display is not wanted, or not possible
	colours  bool
}

func newDisplay(opts Options) *display {
	d := &display{opts: opts, progress: opts.Out}
	if opts.JSON {
		d.progress = opts.Err
	}
	f, ok := d.progress.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" || !enableSequences(f) {
		return d
	}
	d.colours = os.Getenv("NO_COLOR") == ""
	width, height := size(f)
	if !opts.Plain && !opts.JSON && width >= minWidth && height >= minHeight+opts.Members-DefaultMembers {
		d.terminal = f
	}
	return d
}

// size returns the terminal's present width and height.
func size(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return plainWidth, minHeight
	}
	return width, height
}

// show follows the cluster until the returned function is called, which waits until the last event
// has been shown.
func (d *display) show(c *cluster) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if d.terminal != nil {
			d.showLive(c, quit)
		} else {
			d.showPlain(c, quit)
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (d *display) showLive(c *cluster, quit <-chan struct{}) {
	s := &screen{out: d.terminal, colours: d.colours}
	defer func() { _ = s.close() }() // a terminal that is gone needs no tidying
	tick := time.NewTicker(framePeriod)
	defer tick.Stop()
	for {
		width, height := size(d.terminal)
		if s.draw(c.frame(width, height), width) != nil {
			return // the terminal is gone, and with it the reason to draw
		}
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
}

func (d *display) showPlain(c *cluster, quit <-chan struct{}) {
	if c.peers { // the second scenario
		d.tell(line{})
	}
	d.tell(line{{bold, "s3lect demo"}}.add(plain, ": %d processes, one file, %s; a lease of %v", c.opts.Members, c.how("at most one leader"), c.opts.Lease))
	shown, last := 0, false
	for {
		c.mu.Lock()
		news, changed := c.events[shown:], c.changed
		c.mu.Unlock()
		for _, e := range news {
			d.printEvent(c, e)
		}
		shown += len(news)
		if last {
			return
		}
		select {
		case <-quit:
			last = true
		case <-changed:
		}
	}
}

func (d *display) printEvent(c *cluster, e event) {
	if e.Kind == eventStep {
		d.tell(line{})
	}
	d.tell(c.eventLine(e))
	for _, text := range wrap(e.Why, plainWidth-4) {
		if text != "" {
			d.tell(line{{plain, "  "}, {dim, text}})
		}
	}
}

// tell writes a line about what goes on. Should nobody read it, conclude will find out.
func (d *display) tell(l line) { _ = d.print(l) }

// print writes a line, whole.
func (d *display) print(l line) error {
	_, err := fmt.Fprintln(d.progress, l.render(1000, d.colours))
	return err
}

// fail tells the events that led to an error, if they were on a screen that is gone now.
func (d *display) fail(c *cluster) {
	if d.terminal == nil {
		return
	}
	for _, e := range c.events {
		d.printEvent(c, e)
	}
}

// outcome is what a demo has shown, for people and for programs.
type outcome interface {
	report(width int) []line
	breach() (twoLeaders Millis)
	keep(dir string)
}

// conclude tells the result.
func (d *display) conclude(o outcome) error {
	if d.opts.JSON {
		return writeJSON(d.opts.Out, o)
	}
	width := plainWidth
	if f, ok := d.progress.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		width, _ = size(f)
	}
	for _, l := range o.report(width) {
		if err := d.print(l); err != nil {
			return err
		}
	}
	return nil
}
