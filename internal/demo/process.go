package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// process is a running member, seen from its parent.
type process struct {
	os    *os.Process
	stdin io.WriteCloser
	ended chan struct{} // closed when it has ended, all it said was heard, and gone has returned
	err   error         // how it ended; valid from gone on
}

// launch starts a member. Its reports go to hear, one after the other; gone is called after the
// last one, when the process has ended. What it logs goes to a file.
func launch(cmd *exec.Cmd, logFile string, hear func(report), gone func(*process)) (*process, error) {
	log, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	bindToParent(cmd)

	p := &process{stdin: stdin, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel's parent-death signal watches the thread that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		p.os = cmd.Process
		started <- err
		if err != nil {
			return
		}
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			var r report
			if json.Unmarshal(lines.Bytes(), &r) == nil { // a kill may have cut the last line short
				hear(r)
			}
		}
		p.err = cmd.Wait()
		gone(p)
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start a member: %w", err)
	}
	return p, nil
}

// send gives the process a command.
func (p *process) send(command string) error {
	if _, err := io.WriteString(p.stdin, command+"\n"); err != nil {
		return fmt.Errorf("send %q to a member: %w", command, err)
	}
	return nil
}

// hasEnded says whether the process is gone.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// lastWords returns the last line of a log.
func lastWords(logFile string) string {
	data, err := os.ReadFile(logFile)
	if err != nil {
		return "its log cannot be read: " + err.Error()
	}
	text := strings.TrimSpace(string(data))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
