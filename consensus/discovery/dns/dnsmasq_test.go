package dns_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// startDnsmasq runs dnsmasq with the zone raft.test and returns its address.
func startDnsmasq(t *testing.T, records ...string) string {
	t.Helper()
	binary := findDnsmasq(t)
	port := freePort(t)
	arguments := append([]string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts", "--local=/raft.test/",
		"--listen-address=127.0.0.1", "--bind-interfaces", fmt.Sprint("--port=", port),
	}, records...)
	if os.Geteuid() == 0 {
		arguments = append(arguments, "--user=root") // there is nothing to lose by it, and no user to be counted on
	}
	command := exec.CommandContext(t.Context(), binary, arguments...)
	command.Stderr = os.Stderr
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Wait() }) // ended by then by its context

	address := fmt.Sprint("127.0.0.1:", port)
	require.Eventually(t, func() bool {
		question := new(mdns.Msg)
		question.SetQuestion("raft.test.", mdns.TypeSOA)
		_, err := mdns.Exchange(question, address)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	return address
}

func findDnsmasq(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"dnsmasq", "/usr/sbin/dnsmasq"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		require.Fail(t, "dnsmasq is missing: install Debian's package dnsmasq-base")
	}
	t.Skip("dnsmasq is not installed; Debian has it in the package dnsmasq-base")
	return ""
}

// freePort returns a port that is free for UDP and TCP.
func freePort(t *testing.T) int {
	t.Helper()
	packets, listener := listen(t)
	defer packets.Close()
	defer listener.Close()
	return packets.LocalAddr().(*net.UDPAddr).Port //nolint:errcheck // of a UDP socket
}
