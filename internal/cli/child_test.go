package cli

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// childArg makes the test binary a command to be run.
const childArg = "__child"

func child(role string, args ...string) []string {
	return append([]string{os.Args[0], childArg, role}, args...)
}

func playRole(role string, args []string) {
	caught := make(chan os.Signal, 4)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT)
	fmt.Printf("%s %s of %s\n", role, os.Getenv("S3LECT_TERM"), os.Getenv("S3LECT_ID"))
	switch role {
	case "exit":
	case "obey": // exit with this status when asked to
		<-caught
	case "stubborn":
		for range caught {
		}
	case "environment":
		fmt.Println(os.Getenv("S3LECT_STORE"), os.Getenv("S3LECT_KEY"), os.Getenv("INHERITED"))
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		panic(err)
	}
	os.Exit(code)
}
