package roster

import (
	"fmt"
	"testing"
	"time"
)

func fleet(b *testing.B, n int) *Roster {
	b.Helper()
	r := &Roster{}
	for i := range n {
		if err := r.Register(fmt.Sprintf("scheduler-7d9c6b5f4-%05d", i), map[string]string{"zone": "eu-central-1a"}); err != nil {
			b.Fatal(err)
		}
	}
	return r
}

// BenchmarkHeartbeat is what one heartbeat costs its sender beside the two requests.
func BenchmarkHeartbeat(b *testing.B) {
	for _, n := range []int{5, 50, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data, err := fleet(b, n).Encode()
			if err != nil {
				b.Fatal(err)
			}
			a := NewAttendance()
			now := time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				r, err := Decode(data)
				if err != nil {
					b.Fatal(err)
				}
				r.Beat("scheduler-7d9c6b5f4-00003")
				now += time.Second
				a.Saw(now, 15*time.Second, r)
				if data, err = r.Encode(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(data)), "B/roster")
		})
	}
}

// BenchmarkQuorum is what a leader pays to know until when there are enough, whenever anything happens.
func BenchmarkQuorum(b *testing.B) {
	for _, n := range []int{5, 50, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := NewAttendance()
			for i := range n {
				if err := a.Heard(time.Duration(i), 15*time.Second, fmt.Sprint("n", i), nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				a.Until(n/2, "n0", 15*time.Second)
			}
		})
	}
}
