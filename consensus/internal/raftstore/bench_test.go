package raftstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// BenchmarkStoreLogs appends entries of 256 bytes, so many at a time.
func BenchmarkStoreLogs(b *testing.B) {
	for name := range engines {
		for _, count := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", name, count), func(b *testing.B) {
				store := newStore(b, newPlace(b, name).storage(b))
				logs := make([]*raft.Log, count)
				for i := range logs {
					logs[i] = &raft.Log{Term: 1, Data: contentOf(256, int64(i)), AppendedAt: time.Now()}
				}
				next := uint64(1)
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					for _, log := range logs {
						log.Index = next
						next++
					}
					require.NoError(b, store.StoreLogs(logs))
				}
				b.ReportMetric(float64(count)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			})
		}
	}
}

// BenchmarkGetLog reads entries of 256 bytes one after the other.
func BenchmarkGetLog(b *testing.B) {
	for name := range engines {
		b.Run(name, func(b *testing.B) {
			store := newStore(b, newPlace(b, name).storage(b))
			const count = 10_000
			logs := entries(1, count)
			for _, log := range logs {
				log.Data = contentOf(256, int64(log.Index))
			}
			require.NoError(b, store.StoreLogs(logs))
			var got raft.Log
			b.ReportAllocs()
			index := uint64(0)
			for b.Loop() {
				require.NoError(b, store.GetLog(index%count+1, &got))
				index++
			}
		})
	}
}
