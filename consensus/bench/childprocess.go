//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// process is a child as its parent sees it.
type process struct {
	config  childConfig
	command *exec.Cmd
	in      io.WriteCloser

	mu  sync.Mutex // one question at a time
	out *json.Decoder
}

// startProcess starts this program once more, as a node. It returns when the node runs.
func startProcess(config childConfig) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// kill or stop ends it; it outlives the call that starts it.
	command := exec.CommandContext(context.Background(), program, childArgument)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start a node in a process of its own: %w", err)
	}
	p := &process{config: config, command: command, in: in, out: json.NewDecoder(out)}
	if _, err := p.exchange(config); err != nil {
		p.kill()
		return nil, fmt.Errorf("start node %s in a process of its own: %w", config.Peer.ID, err)
	}
	return p, nil
}

func (p *process) ask(q question) (answer, error) {
	a, err := p.exchange(q)
	if err != nil {
		return a, fmt.Errorf("ask node %s to %s: %w", p.config.Peer.ID, q.Do, err)
	}
	return a, nil
}

func (p *process) exchange(line any) (answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a answer
	if err := json.NewEncoder(p.in).Encode(line); err != nil {
		return a, err
	}
	if err := p.out.Decode(&a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// kill ends the process without a word.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait() // it was killed
}

// stop has the node end by itself.
func (p *process) stop() error {
	_, err := p.ask(question{Do: askStop})
	if err != nil {
		p.kill()
		return err
	}
	return errors.Join(p.in.Close(), p.command.Wait())
}
