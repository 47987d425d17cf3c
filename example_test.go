package s3lect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// A candidate needs a configuration and a storage. The one here lives in memory, as is enough for an
// example; OpenS3Storage opens a bucket, and NewMockStorage a directory.
func ExampleNewS3Elector() {
	storage := memory.New()
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath: "scheduler.json",
			ServerID:     "replica-1",
			ServerAddr:   "10.0.0.1:8443",
		},
		Storage: storage,
	})
	if err != nil {
		panic(err)
	}
	if err := elector.Start(context.Background()); err != nil {
		panic(err)
	}
	if err := elector.WaitForLeadership(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(elector.LeaderID(), "leads:", elector.IsLeader(), "term:", elector.Term())

	if err := elector.Stop(); err != nil {
		panic(err)
	}
	fmt.Println("leads after Stop:", elector.IsLeader())
	// Output:
	// replica-1 leads: true term: 1
	// leads after Stop: false
}

// Lead runs a function whenever this process leads. Its context ends when the leadership does, and
// the leadership is released when it has returned.
func ExampleS3Elector_Lead() {
	elector := newExampleElector("replica-1", memory.New())

	err := elector.Lead(context.Background(), func(ctx context.Context, term int64) error {
		fmt.Println("working in term", term)
		return nil // done: Lead returns. Work without an end would go on until ctx.Done().
	})
	fmt.Println("error:", err)
	// Output:
	// working in term 1
	// error: <nil>
}

// The cause of the context tells why a leadership has ended, and until when the work may still wind
// down.
func ExampleLeadershipEnd() {
	elector := newExampleElector("replica-1", memory.New())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	err := elector.Lead(ctx, func(ctx context.Context, term int64) error {
		cancel() // as an interrupt would
		<-ctx.Done()
		var end *s3lect.LeadershipEnd
		if errors.As(context.Cause(ctx), &end) {
			fmt.Println(end)
			fmt.Println("time left to stop:", time.Until(end.Until) > 0)
		}
		return ctx.Err()
	})
	fmt.Println(err)
	// Output:
	// leadership of term 1 has ended: elector stopped
	// time left to stop: true
	// context canceled
}

// Watch tells every change, in order.
func ExampleS3Elector_Watch() {
	elector := newExampleElector("replica-1", memory.New())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := elector.Start(ctx); err != nil {
		panic(err)
	}

	for status := range elector.Watch(ctx) {
		fmt.Printf("leader: %q, term %d\n", status.LeaderID, status.Term)
		if status.IsLeader {
			break
		}
	}
	if err := elector.Stop(); err != nil {
		panic(err)
	}
	// Output:
	// leader: "", term 0
	// leader: "replica-1", term 1
}

// Hooks suit programs that switch something on and off.
func ExampleElectorConfig() {
	storage := memory.New()
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath: "scheduler.json",
			ServerID:     "replica-1",
			ServerAddr:   "10.0.0.1:8443",
			OnAcquireLeadership: func(ctx context.Context) error {
				fmt.Println("scheduler on")
				return nil
			},
			OnLoseLeadership: func(ctx context.Context) error {
				fmt.Println("scheduler off")
				return nil
			},
		},
		Storage: storage,
	})
	if err != nil {
		panic(err)
	}
	if err := elector.Start(context.Background()); err != nil {
		panic(err)
	}
	if err := elector.WaitForLeadership(context.Background()); err != nil {
		panic(err)
	}
	if err := elector.Stop(); err != nil { // returns after the second hook
		panic(err)
	}
	// Output:
	// scheduler on
	// scheduler off
}

// Intervals are checked together, and what is left out gets its default.
func ExampleElectorConfig_Validate() {
	config := s3lect.ElectorConfig{
		LockfilePath:  "scheduler.json",
		ServerID:      "replica-1",
		ServerAddr:    "10.0.0.1:8443",
		LeaderTimeout: 6 * time.Second,
	}
	if err := config.Validate(); err != nil {
		panic(err)
	}
	fmt.Println(config.FrequentInterval, config.InfrequentInterval, config.LeaderTimeout)

	config.ServerAddr = "10.0.0.1"
	fmt.Println(config.Validate())
	// Output:
	// 2s 30s 6s
	// ServerAddr "10.0.0.1" must be host:port, such as "10.0.0.1:8443"
}

// A leader can name who is to lead next. The candidate takes over without waiting for a lease.
func ExampleS3Elector_TransferLeadership() {
	ctx := context.Background()
	storage := memory.New()
	blue, green := newExampleElector("blue", storage), newExampleElector("green", storage)

	if err := blue.Start(ctx); err != nil {
		panic(err)
	}
	if err := blue.WaitForLeadership(ctx); err != nil {
		panic(err)
	}
	if err := blue.TransferLeadership(ctx, "green"); err != nil {
		panic(err)
	}
	if err := green.Start(ctx); err != nil {
		panic(err)
	}
	if err := green.WaitForLeadership(ctx); err != nil {
		panic(err)
	}
	fmt.Println("blue:", blue.IsLeader(), "green:", green.IsLeader(), "term:", green.Term())

	if err := errors.Join(blue.Stop(), green.Stop()); err != nil {
		panic(err)
	}
	// Output:
	// blue: false green: true term: 2
}

// Anybody who can read the storage can look at the record, without taking part.
func ExampleReadLeaderRecord() {
	ctx := context.Background()
	storage := memory.New()

	_, err := s3lect.ReadLeaderRecord(ctx, storage, "scheduler.json")
	fmt.Println("no record yet:", errors.Is(err, s3lect.ErrStorageNotFound))

	elector := newExampleElector("replica-1", storage)
	err = elector.Lead(ctx, func(ctx context.Context, _ int64) error {
		record, err := s3lect.ReadLeaderRecord(ctx, storage, "scheduler.json")
		if err != nil {
			return err
		}
		fmt.Println(record.LeaderID, "leads at", record.LeaderAddr, "with term", record.Term)
		return nil
	})
	if err != nil {
		panic(err)
	}
	record, err := s3lect.ReadLeaderRecord(ctx, storage, "scheduler.json")
	if err != nil {
		panic(err)
	}
	fmt.Println("resigned:", record.Resigned())
	// Output:
	// no record yet: true
	// replica-1 leads at 10.0.0.1:8443 with term 1
	// resigned: true
}

// The handler tells load balancers and people whether this process leads.
func ExampleNewLeadershipHandler() {
	elector := newExampleElector("replica-1", memory.New())
	mux := http.NewServeMux()
	mux.Handle("/health/leadership", s3lect.NewLeadershipHandler(elector, nil))

	ask := func() int {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/health/leadership", http.NoBody))
		return answer.Code
	}
	fmt.Println("following:", ask())
	err := elector.Lead(context.Background(), func(context.Context, int64) error {
		fmt.Println("leading:", ask())
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// following: 404
	// leading: 200
}

// With a quorum nobody leads while too few members are there, and every elector can tell who is. A
// member that does not vote counts, too.
func ExampleElectorConfig_quorum() {
	ctx := context.Background()
	storage := memory.New() // a bucket, for members on several machines
	join := func(id string, voting bool) *s3lect.S3Elector {
		elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
			Config: &s3lect.ElectorConfig{
				LockfilePath: "scheduler.json", ServerID: id, ServerAddr: "10.0.0.1:8443",
				LeaderTimeout:    9 * time.Second,
				QuorumSize:       2,
				GracePeriod:      time.Second,
				NonVoting:        !voting,
				ObserverMetadata: map[string]string{"zone": "eu-central-1a"},
			},
			Storage: storage,
		})
		if err != nil {
			panic(err)
		}
		if err := elector.Start(ctx); err != nil {
			panic(err)
		}
		return elector
	}
	worker := join("worker", true)
	witness := join("witness", false)
	if err := worker.WaitForLeadership(ctx); err != nil {
		panic(err)
	}
	observers, err := worker.Observers(ctx)
	if err != nil {
		panic(err)
	}
	for _, o := range observers {
		fmt.Println(o.ID, o.Metadata["zone"], "active:", o.Active)
	}

	if err := witness.Stop(); err != nil {
		panic(err)
	}
	for status := range worker.Watch(ctx) { // a third of a lease at most, and GracePeriod
		if status.EndReason != 0 {
			fmt.Println("leads:", status.IsLeader, "because:", status.EndReason)
			fmt.Println(errors.Is(status.EndReason.Err(), s3lect.ErrQuorumLost))
			break
		}
	}
	if err := worker.Stop(); err != nil {
		panic(err)
	}
	// Output:
	// witness eu-central-1a active: true
	// worker eu-central-1a active: true
	// leads: false because: quorum lost
	// true
}

// A member that is no elector, a job in another process, say, is registered and kept alive by hand.
func ExampleS3Elector_RegisterObserver() {
	ctx := context.Background()
	elector := newExampleElector("replica-1", memory.New()) // it need not be started

	if err := elector.RegisterObserver(ctx, "backup-job", map[string]string{"host": "db-2"}); err != nil {
		panic(err)
	}
	if err := elector.UpdateHeartbeat(ctx, "backup-job"); err != nil { // several times per LeaderTimeout
		panic(err)
	}
	active, err := elector.GetActiveObservers(ctx)
	fmt.Println(active, err)

	if err := elector.UnregisterObserver(ctx, "backup-job"); err != nil {
		panic(err)
	}
	fmt.Println(elector.UpdateHeartbeat(ctx, "backup-job"))
	// Output:
	// 1 <nil>
	// count a heartbeat of observer "backup-job": observer is not registered
}

func newExampleElector(id string, storage s3lect.Storage) *s3lect.S3Elector {
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath: "scheduler.json",
			ServerID:     id,
			ServerAddr:   "10.0.0.1:8443",
		},
		Storage: storage,
	})
	if err != nil {
		panic(err)
	}
	return elector
}
