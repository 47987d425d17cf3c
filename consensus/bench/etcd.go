//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcd is three servers in processes of their own, with the settings they come with, and clients of the leader.
type etcd struct {
	place     *place
	directory string
	servers   []*exec.Cmd
	endpoints []string
	clients   []*clientv3.Client // each is one connection
}

// clientsPerConnection is how many clients share a connection to etcd.
const clientsPerConnection = 16

func startEtcd(ctx context.Context, p *place) (*etcd, error) {
	path, err := exec.LookPath("etcd")
	if err != nil {
		return nil, fmt.Errorf("etcd is not installed; leave it out with -etcd=false: %w", err)
	}
	ports, err := freePorts(2 * nodesPerCluster)
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp(p.directory, "etcd-")
	if err != nil {
		return nil, err
	}
	e := &etcd{place: p, directory: directory}
	var members []string
	for i := range nodesPerCluster {
		members = append(members, fmt.Sprintf("m%d=http://127.0.0.1:%d", i, ports[2*i+1]))
	}
	for i := range nodesPerCluster {
		client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[2*i]), fmt.Sprintf("http://127.0.0.1:%d", ports[2*i+1])
		// Close ends it; it outlives the call that starts it.
		server := exec.CommandContext(context.Background(), path,
			fmt.Sprintf("--name=m%d", i), "--data-dir="+filepath.Join(directory, fmt.Sprint(i)), "--logger=zap", "--log-level=error",
			"--listen-client-urls="+client, "--advertise-client-urls="+client,
			"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
			"--initial-cluster="+strings.Join(members, ","), "--initial-cluster-state=new")
		server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := server.Start(); err != nil {
			return nil, errors.Join(fmt.Errorf("start etcd: %w", err), e.Close())
		}
		e.servers = append(e.servers, server)
		e.endpoints = append(e.endpoints, client)
	}
	if err := e.Ready(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// etcdClients is how many connections there are: enough for the largest number of clients.
const etcdClients = 16

// Ready implements target.
func (e *etcd) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	leader, err := e.leader(ctx)
	if err != nil {
		return err
	}
	e.closeClients()
	for range etcdClients {
		client, err := e.connect(leader)
		if err != nil {
			return err
		}
		e.clients = append(e.clients, client)
		if _, err := client.Put(ctx, "ready", "yes"); err != nil {
			return fmt.Errorf("etcd does not commit: %w", err)
		}
	}
	return nil
}

func (e *etcd) connect(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
}

// leader returns the endpoint of the server that leads.
func (e *etcd) leader(ctx context.Context) (string, error) {
	for {
		for _, endpoint := range e.endpoints {
			if e.leads(ctx, endpoint) {
				return endpoint, nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return "", fmt.Errorf("no etcd leads: %w", err)
		}
	}
}

func (e *etcd) leads(ctx context.Context, endpoint string) bool {
	client, err := e.connect(endpoint)
	if err != nil {
		return false
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	status, err := client.Status(ctx, endpoint)
	return err == nil && status.Leader == status.Header.MemberId
}

func (e *etcd) client(number int) *clientv3.Client {
	return e.clients[number/clientsPerConnection%len(e.clients)]
}

// Write implements target.
func (e *etcd) Write(ctx context.Context, client int, data []byte) error {
	_, err := e.client(client).Put(ctx, fmt.Sprintf("key-%d", client), string(data))
	return err
}

// Read implements target.
func (e *etcd) Read(ctx context.Context, client int) error {
	_, err := e.client(client).Get(ctx, "ready")
	return err
}

// Compact implements target. The history of a round is small for etcd, which compacts by itself if it is told to.
func (e *etcd) Compact(context.Context) error { return nil }

func (e *etcd) closeClients() {
	for _, client := range e.clients {
		_ = client.Close()
	}
	e.clients = nil
}

// Close implements target.
func (e *etcd) Close() error {
	e.closeClients()
	for _, server := range e.servers {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
	}
	return os.RemoveAll(e.directory)
}
