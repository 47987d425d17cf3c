package measure

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// startEtcd starts three servers on free ports of 127.0.0.1 that live as long as the test, and returns the addresses of
// their clients and their version. Where etcd is not installed, the test is skipped, and fails if CI is "true".
func startEtcd(t *testing.T) (endpoints []string, version string) {
	t.Helper()
	path, err := exec.LookPath("etcd")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("etcd is not installed (Debian: etcd-server)")
		}
		t.Skip("etcd is not installed (Debian: etcd-server)")
	}
	said, err := exec.CommandContext(t.Context(), path, "--version").Output()
	require.NoError(t, err)
	version, _, _ = strings.Cut(strings.TrimPrefix(string(said), "etcd Version: "), "\n")

	const members = 3
	addresses := freeAddresses(t, 2*members)
	var cluster []string
	for i := range members {
		cluster = append(cluster, fmt.Sprintf("m%d=http://%s", i, addresses[members+i]))
	}
	directory := t.TempDir()
	for i := range members {
		client, peer := "http://"+addresses[i], "http://"+addresses[members+i]
		var output bytes.Buffer
		// The test's context ends before its cleanups run, in which clients still release.
		server := exec.CommandContext(context.WithoutCancel(t.Context()), path,
			fmt.Sprintf("--name=m%d", i), "--data-dir="+filepath.Join(directory, fmt.Sprint(i)), "--logger=zap", "--log-level=error",
			"--listen-client-urls="+client, "--advertise-client-urls="+client, "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
			"--initial-cluster="+strings.Join(cluster, ","), "--initial-cluster-state=new")
		server.Stdout, server.Stderr = &output, &output
		require.NoError(t, server.Start())
		t.Cleanup(func() {
			_ = server.Process.Kill()
			_ = server.Wait() // it was killed
			if t.Failed() {
				t.Logf("etcd %d wrote: %s", i, &output)
			}
		})
	}
	endpoints = addresses[:members]
	awaitEtcd(t, endpoints)
	return endpoints, version
}

func awaitEtcd(t *testing.T, endpoints []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	require.NoError(t, err)
	defer client.Close() //nolint:errcheck // nothing was written
	for {
		attempt, done := context.WithTimeout(ctx, time.Second)
		_, err := client.Put(attempt, "ready", "yes")
		done()
		if err == nil {
			return
		}
		require.NoError(t, ctx.Err(), "etcd does not commit")
	}
}

// freeAddresses are ports that were free a moment ago.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	out, held := make([]string, n), make([]net.Listener, n) // all at once, or one would be found twice
	for i := range out {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		held[i] = l
		out[i] = l.Addr().String()
	}
	for _, l := range held {
		require.NoError(t, l.Close())
	}
	return out
}
