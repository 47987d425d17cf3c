//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// head is where, when and with what was measured.
type head struct {
	Date     string   `json:"date"`
	Command  string   `json:"command"`
	Took     string   `json:"took"`
	Machine  string   `json:"machine"`
	Go       string   `json:"go"`
	Versions []string `json:"versions"`
	// Sync is the median time of a write of 4 KiB and its fsync where the data are.
	Sync time.Duration `json:"sync"`
	// Load is the load average of the machine when the run began; 0 is quiet.
	Load   string        `json:"load"`
	Rounds int           `json:"rounds"`
	Length time.Duration `json:"length"`
	Pairs  int           `json:"pairs"`
	Pair   time.Duration `json:"pair"`
	Size   int           `json:"commandSize"`
}

func newHead(ctx context.Context, o options, directory string) head {
	return head{
		Date: time.Now().UTC().Format("2006-01-02 15:04 MST"), Command: o.command,
		Machine: machine(directory), Go: runtime.Version(), Versions: versions(ctx, o), Sync: syncTime(directory), Load: loadAverage(),
		Rounds: o.rounds, Length: o.length, Pairs: o.pairs, Pair: o.pairLength, Size: o.commandSize,
	}
}

func machine(directory string) string {
	var system syscall.Utsname
	kernel := ""
	if err := syscall.Uname(&system); err == nil {
		kernel = " " + chars(system.Release[:])
	}
	return fmt.Sprintf("%d cores (%s), %s of memory, %s%s %s, data on %s", runtime.NumCPU(), lineOf("/proc/cpuinfo", "model name"),
		mib(kib(lineOf("/proc/meminfo", "MemTotal"))), runtime.GOOS, kernel, runtime.GOARCH, fileSystem(directory))
}

func chars(from []int8) string {
	var b strings.Builder
	for _, c := range from {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}

// lineOf returns the value of a line "name : value".
func lineOf(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func kib(text string) uint64 {
	var n uint64
	_, _ = fmt.Sscanf(text, "%d", &n) // 0 if it is not known
	return n << 10
}

// fileSystem returns the kind of the file system that a directory is on.
func fileSystem(directory string) string {
	text, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "unknown"
	}
	longest, kind := "", "unknown"
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		point := fields[1]
		if strings.HasPrefix(directory+"/", strings.TrimSuffix(point, "/")+"/") && len(point) >= len(longest) {
			longest, kind = point, fields[2]
		}
	}
	return kind
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// syncTime is what a small write to the disk takes at the least.
func syncTime(directory string) time.Duration {
	file, err := os.Create(filepath.Join(directory, "sync"))
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }()
	var times []time.Duration
	for range 101 {
		began := time.Now()
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			return 0
		}
		if err := file.Sync(); err != nil {
			return 0
		}
		times = append(times, time.Since(began))
	}
	return median(times)
}

// measuredModules are those whose versions matter.
var measuredModules = []string{
	"github.com/hashicorp/raft", "go.etcd.io/bbolt", "github.com/dgraph-io/badger/v4", "github.com/cockroachdb/pebble/v2",
	"github.com/jackc/pgx/v5", "google.golang.org/grpc", "go.etcd.io/etcd/client/v3",
}

func versions(ctx context.Context, o options) []string {
	var all []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if slices.Contains(measuredModules, module.Path) {
				all = append(all, module.Path+" "+module.Version)
			}
		}
	}
	slices.Sort(all)
	if o.etcd {
		all = append(all, firstLine(ctx, "etcd", "--version"))
	}
	if slices.Contains(o.stores, "postgres") {
		if path, err := findPostgres("postgres"); err == nil {
			all = append(all, firstLine(ctx, path, "--version"))
		}
	}
	return all
}

func firstLine(ctx context.Context, program string, arguments ...string) string {
	output, err := exec.CommandContext(ctx, program, arguments...).Output()
	if err != nil {
		return program + ": " + err.Error()
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return line
}
