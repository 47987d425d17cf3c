//go:build unix

package supervise

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// childArg makes the test binary play one of the roles below.
const childArg = "__child"

func TestMain(m *testing.M) {
	GuardMain()
	// A program with the race detector sleeps for a second when it exits, unless told not to.
	must(os.Setenv("GORACE", "atexit_sleep_ms=0"))
	if len(os.Args) > 2 && os.Args[1] == childArg {
		playRole(os.Args[2], os.Args[3:])
	}
	os.Exit(m.Run())
}

func playRole(role string, args []string) {
	switch role {
	case "exit":
		os.Exit(number(args[0]))
	case "die":
		must(syscall.Kill(os.Getpid(), syscall.Signal(number(args[0]))))
		time.Sleep(time.Hour) // until the signal is delivered
	case "echo":
		fmt.Printf("%s %s ", os.Getenv("GREETING"), args[0])
		_, err := io.Copy(os.Stdout, os.Stdin)
		must(err)
		fmt.Fprint(os.Stderr, "to stderr")
	case "obey": // exit with a status of its own when asked to end
		got := catch()
		fmt.Println("ready")
		fmt.Println((<-got).String())
		os.Exit(number(args[0]))
	case "stubborn": // name the signals, and stay
		got := catch()
		fmt.Println("ready")
		for s := range got {
			fmt.Println(s.String())
		}
	case "deaf": // stay, and say nothing
		got := catch()
		fmt.Println("ready")
		for range got {
		}
	case "family": // a command with a deaf child, deaf itself
		got := catch()
		startChild()
		fmt.Println("ready")
		for range got {
		}
	case "abandon": // end and leave a deaf child behind
		startChild()
		os.Exit(number(args[0]))
	case "daemon": // leave a child behind that is in a session of its own and ends with descriptor 0
		cmd := exec.Command("cat")
		cmd.Stdin = os.Stdin
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		must(cmd.Start())
		fmt.Println(cmd.Process.Pid)
	case "slow family": // end at once when asked, with a child that needs a moment more
		got := catch()
		cmd := exec.Command(os.Args[0], childArg, "slow")
		cmd.Stdout = os.Stdout
		must(cmd.Start())
		<-got
	case "slow":
		got := catch()
		fmt.Println("ready")
		<-got
		time.Sleep(100 * time.Millisecond) // the work of winding down
		fmt.Println("wound down")
	case "supervisor": // start a family whose output is descriptor 3, and name its guard
		out := os.NewFile(3, "out")
		p, err := Start(Spec{Args: child("family"), Env: os.Environ(), Stdout: out}, time.Now().Add(duration(args[0])))
		must(err)
		must(out.Close())
		fmt.Println(p.guard.Process.Pid)
		<-p.Done()
	default:
		panic("no such role: " + role)
	}
	os.Exit(0)
}

func child(role string, args ...string) []string {
	return append([]string{os.Args[0], childArg, role}, args...)
}

func catch() <-chan os.Signal {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGTERM, syscall.SIGINT)
	return got
}

// startChild returns when the child catches signals.
func startChild() {
	cmd := exec.Command(os.Args[0], childArg, "deaf")
	out, err := cmd.StdoutPipe()
	must(err)
	cmd.Stderr = os.Stdout // keeps the test's pipe open for as long as the child lives
	must(cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	must(err)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	must(err)
	return n
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	must(err)
	return d
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
