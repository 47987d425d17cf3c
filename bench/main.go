// Command bench measures s3lect beside what one would use instead, and writes the figures and charts of the
// documentation.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed-6dc909bb/s3lect/bench/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := cli.Command().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1) // the command has said why
	}
}
