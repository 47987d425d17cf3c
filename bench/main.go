// Command bench measures s3lect beside what one would use instead, and writes the figures and charts of the
// documentation.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/seed-6dc909bb/s3lect/bench/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), signals()...)
	err := cli.Command().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1) // the command has said why
	}
}

// signals are the requests to end: a terminal that is closed must not leave servers and checkouts behind, either. Those that this
// process was started to ignore, as below nohup, stay ignored.
func signals() []os.Signal {
	heard := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGHUP}, signal.Ignored)
	return append(heard, syscall.SIGTERM) // never none: that would be all
}
