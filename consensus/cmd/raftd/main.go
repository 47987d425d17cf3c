// Command raftd is a node of a replicated key-value store, and the client for it. "raftd help" explains it.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/cli"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftd"
)

func main() {
	app := &cli.App{
		Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv,
		Run:       raftd.Run,
		Signals:   signals(),
		Abort:     os.Exit,
	}
	os.Exit(app.Main(os.Args[1:]))
}

// signals are the requests to end. One that this process was started to ignore, as below nohup, stays ignored.
func signals() <-chan os.Signal {
	requests := make(chan os.Signal, 8)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(requests, s)
		}
	}
	return requests
}
