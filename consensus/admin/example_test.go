package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

// A cluster of one node, with its API on a server and a client that asks it.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	url := "http://" + listener.Addr().String() + "/raft"
	node, err := consensus.New(
		consensus.WithNodeID("n1"),
		consensus.WithStateMachine(kv.New()),
		consensus.WithStorage(memory.New()),
		consensus.WithAPIAddress(url),
		consensus.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		panic(err)
	}
	api, err := admin.New(node, admin.Options{Prefix: "/raft", Tokens: []string{"correct-horse-battery-staple"}})
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: api, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 20 * time.Second}
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	defer server.Close()

	if err := node.Start(ctx); err != nil {
		panic(err)
	}
	defer node.Stop(ctx) //nolint:errcheck // the example ends
	if _, err := node.WaitForLeader(ctx); err != nil {
		panic(err)
	}

	client, err := admin.NewClient(admin.ClientOptions{Servers: []string{url}, Token: "correct-horse-battery-staple"})
	if err != nil {
		panic(err)
	}
	if _, err := client.Apply(ctx, kv.Set("color", "blue")); err != nil {
		panic(err)
	}
	value, err := client.ReadStale(ctx, map[string]string{"get": "color"})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.15s\n", value)
	_, err = client.RemoveNode(ctx, "n1")
	fmt.Println(consensus.IsRetryable(err))
	// Output:
	// {"value":"blue"
	// false
}
