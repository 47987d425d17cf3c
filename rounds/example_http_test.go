package rounds_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores"
)

// A program that serves HTTP already answers elections, too. Whoever asks needs no library.
func ExampleNewHandler() {
	storage, err := stores.Open(context.Background(), "mem:example-handler")
	if err != nil {
		fmt.Println(err)
		return
	}
	billing, err := rounds.New(storage, rounds.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := rounds.NewHandler(billing, rounds.HandlerOptions{RateLimit: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", handler)
	server := httptest.NewServer(mux)
	defer server.Close()

	for _, path := range []string{"elect/billing/8?candidate=host-a", "elect/billing/8?candidate=host-b", "elected/billing/8"} {
		response, err := http.Get(server.URL + "/api/v1/" + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d %q\n", response.StatusCode, body)
	}
	// Output:
	// 202 "elected\n"
	// 204 ""
	// 200 "127.0.0.1"
}

// A job asks whether it is the one, works, and says that it has.
func ExampleClient() {
	server := exampleServer()
	defer server.Close()

	client, err := rounds.NewClient(rounds.ClientOptions{
		Servers: []string{server.URL}, // all servers that share the storage
		ID:      "host-a",             // the same again when the job is started again
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	won, state, err := client.Elect(ctx, "billing", "2026-11-21")
	if err != nil { // could not tell, for 30 seconds: try again later
		fmt.Println(err)
		return
	}
	if !won {
		fmt.Println("nothing to do,", state.Elected, "is at it")
		return
	}
	fmt.Println("sending the invoices")
	state, err = client.Complete(ctx, "billing", "2026-11-21")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("done by", state.Completed)
	// Output:
	// sending the invoices
	// done by host-a
}

// exampleServer stands for `s3lect serve`.
func exampleServer() *httptest.Server {
	storage, err := stores.Open(context.Background(), "mem:example-client")
	if err != nil {
		panic(err)
	}
	billing, err := rounds.New(storage, rounds.Options{})
	if err != nil {
		panic(err)
	}
	handler, err := rounds.NewHandler(billing, rounds.HandlerOptions{})
	if err != nil {
		panic(err)
	}
	return httptest.NewServer(handler)
}
