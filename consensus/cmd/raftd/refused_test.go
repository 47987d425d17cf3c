//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/freeport"
)

// single are the flags of a cluster of one.
func single(t *testing.T, id, store, data string) []string {
	t.Helper()
	return []string{
		"--id", id, "--peers", id + "=" + freeport.Address(t), "--api", freeport.Address(t),
		"--store", store, "--data", data, "--election-timeout-min", "100ms",
	}
}

// fails runs a node that is to end by itself.
func fails(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	p := start(t, append([]string{"run"}, args...)...)
	return p.exits(), p.log.String()
}

func TestDataOfAnotherNodeOrClusterAreRefusedAndStayAsTheyAre(t *testing.T) {
	for _, kind := range engines {
		t.Run(kind, func(t *testing.T) {
			data := t.TempDir()
			mine := single(t, "n1", kind, data)
			p := startNode(t, mine...)
			p.kill()

			code, said := fails(t, single(t, "n2", kind, data)...)
			assert.Equal(t, 5, code, said)
			assert.Contains(t, said, `"n1"`)
			assert.Contains(t, said, `"n2"`)
			code, said = fails(t, append(mine, "--cluster", "other")...)
			assert.Equal(t, 5, code, said)
			assert.Contains(t, said, `"other"`)

			startNode(t, mine...)
		})
	}
}

func TestDataOfAnotherStoreAreNotPassedOver(t *testing.T) {
	for i, kind := range engines {
		t.Run(kind, func(t *testing.T) {
			mine := single(t, "n1", kind, t.TempDir())
			p := startNode(t, mine...)
			p.kill()

			code, said := fails(t, append(mine, "--store", engines[(i+1)%len(engines)])...)
			assert.Equal(t, 5, code, said)
			assert.Contains(t, said, "start with --store "+kind)
			startNode(t, mine...)
		})
	}
}

func TestADirectoryInUseIsRefused(t *testing.T) {
	for _, kind := range engines {
		t.Run(kind, func(t *testing.T) {
			data := t.TempDir()
			startNode(t, single(t, "n1", kind, data)...)
			code, said := fails(t, single(t, "n1", kind, data)...)
			assert.Equal(t, 1, code)
			assert.Contains(t, said, data)
			assert.Contains(t, strings.ToLower(said), "process")
		})
	}
}

func TestAnAddressInUseIsNamedAndEndsTheNode(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	taken := listener.Addr().String()
	for _, args := range [][]string{
		{"--peers", "n1=" + taken, "--api", freeport.Address(t)},
		{"--peers", "n1=" + freeport.Address(t), "--api", taken},
	} {
		code, said := fails(t, append(args, "--id", "n1", "--store", "memory")...)
		assert.Equal(t, 1, code)
		assert.Contains(t, said, taken)
		assert.Contains(t, said, "address already in use")
	}
}

func TestTwoPeersOfOneNameAreWrongUsage(t *testing.T) {
	code, said := fails(t, "--id", "n1", "--peers", "n1=127.0.0.1:1,n1=127.0.0.1:2", "--store", "memory")
	assert.Equal(t, 2, code)
	assert.Contains(t, said, "n1 is there twice")
}

func TestADirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	code, said := fails(t, single(t, "n1", "bbolt", filepath.Join(file, "data"))...)
	assert.Equal(t, 1, code)
	assert.Contains(t, said, file)
}
