package lease

import (
	"testing"
	"time"
)

// ordinary is a record as leaders write it.
func ordinary() *Record {
	return &Record{
		LeaderID: "scheduler-7d9c6b5f4-00003", LeaderAddr: "10.1.2.3:8443", LastUpdated: time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC),
		Term: 42, Session: "0123456789abcdef0123456789abcdef", Nonce: "fedcba9876543210fedcba9876543210", Sequence: 1234, Lease: 15 * time.Second,
	}
}

// BenchmarkEncodeRecord is what a renewal costs its leader beside the request.
func BenchmarkEncodeRecord(b *testing.B) {
	r := ordinary()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeRecord is what a look at the record costs a follower beside the request.
func BenchmarkDecodeRecord(b *testing.B) {
	data, err := ordinary().Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
