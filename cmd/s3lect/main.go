// Command s3lect elects a leader among processes that share an object storage, and runs a command
// in the elected one. "s3lect help" explains it.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/seed-6dc909bb/s3lect/internal/cli"
	"github.com/seed-6dc909bb/s3lect/internal/supervise"
	"github.com/seed-6dc909bb/s3lect/stores"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

func main() {
	supervise.GuardMain()
	redis.DiscardClientLog() // the command has a log of its own
	app := &cli.App{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv,
		Environ:   os.Environ(),
		Open:      stores.Open,
		Signals:   signals(),
		Abort:     os.Exit,
	}
	os.Exit(app.Main(os.Args[1:]))
}

// signals are the requests to end. One that this process was started to ignore, as below nohup,
// stays ignored.
func signals() <-chan os.Signal {
	requests := make(chan os.Signal, 8)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(requests, s)
		}
	}
	return requests
}
