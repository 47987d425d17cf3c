//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cpuTime returns what this process has used of all processors, in user and kernel mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (c *child) usage() (usage, error) {
	u := usage{
		CPU: cpuTime(), Goroutines: runtime.NumGoroutine(),
		Messages: c.network.messages.Load(), Leader: c.node.IsLeader(),
	}
	if c.peak != nil {
		u.HeapPeak = c.peak.largest.Load()
	}
	var err error
	if u.RSS, u.RSSPeak, err = residentMemory(); err != nil {
		return u, err
	}
	runtime.GC()
	u.Heap = heapObjects()
	u.CPUAfter = cpuTime()
	return u, nil
}

// residentMemory returns how much memory this process has at the moment, and the most it ever had.
func residentMemory() (now, peak uint64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, err
	}
	values := map[string]uint64{}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if kib, isSize := strings.CutSuffix(strings.TrimSpace(value), " kB"); isSize {
			if n, err := strconv.ParseUint(kib, 10, 64); err == nil {
				values[name] = n << 10
			}
		}
	}
	if values["VmRSS"] == 0 || values["VmHWM"] == 0 {
		return 0, 0, fmt.Errorf("/proc/self/status does not tell the memory in use")
	}
	return values["VmRSS"], values["VmHWM"], nil
}

func heapObjects() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	if samples[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return samples[0].Value.Uint64()
}

// heapPeak looks at the heap again and again and keeps the largest size.
type heapPeak struct {
	largest atomic.Uint64
	ending  chan struct{}
	watcher sync.WaitGroup
}

func watchHeap() *heapPeak {
	p := &heapPeak{ending: make(chan struct{})}
	p.watcher.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			p.largest.Store(max(p.largest.Load(), heapObjects()))
			select {
			case <-ticker.C:
			case <-p.ending:
				return
			}
		}
	})
	return p
}

func (p *heapPeak) stop() {
	close(p.ending)
	p.watcher.Wait()
}
