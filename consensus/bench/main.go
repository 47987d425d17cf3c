//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, arguments []string) error {
	if len(arguments) == 1 && arguments[0] == childArgument {
		return runChild(ctx, bufio.NewReader(os.Stdin), os.Stdout)
	}
	o, err := parseOptions(arguments, os.Stderr)
	if err != nil {
		return err
	}
	return run(ctx, o)
}
