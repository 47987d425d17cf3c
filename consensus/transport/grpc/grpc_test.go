package grpc_test

import (
	"testing"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/grpc"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/transporttest"
)

const stall = time.Second

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Suite{
		New:   func(*testing.T) transport.Transport { return grpc.New(grpc.Options{Stall: stall}) },
		Stall: stall,
	})
}

func BenchmarkTransport(b *testing.B) {
	transporttest.Benchmark(b, func(*testing.B) transport.Transport { return grpc.New(grpc.Options{}) })
}

func TestNothingIsLeftBehind(t *testing.T) {
	transporttest.Leaks(t, transporttest.Suite{
		New:   func(*testing.T) transport.Transport { return grpc.New(grpc.Options{Stall: stall}) },
		Stall: stall,
	})
}
