package cli

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/seed-6dc909bb/s3lect"
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
	case "ask": // this member's own health endpoint
		if err := ask(args[1], peerFiles{caFile: args[2], certFile: args[3], keyFile: args[4]}); err != nil {
			panic(err)
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

// ask prints what the leader at an address has to tell.
func ask(address string, p peerFiles) error {
	config, err := p.load("test")
	if err != nil {
		return err
	}
	response, err := client(config).Get("https://" + address + s3lect.DefaultPeerHealthPath)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
