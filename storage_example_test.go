package s3lect_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func ExampleOpenS3Storage() {
	// Credentials come from where all AWS tools take them. The endpoint is that of a server of your
	// own; without it, the bucket is on AWS.
	storage, err := s3lect.OpenS3Storage(context.Background(), "s3://my-bucket/elections?region=eu-central-1&endpoint=http://127.0.0.1:9000")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%T\n", storage)

	_, err = s3lect.OpenS3Storage(context.Background(), "s3://my-bucket?zone=1")
	fmt.Println(err)
	// Output:
	// *s3lect.S3Storage
	// S3 storage URL: bucket "my-bucket": unknown parameter "zone"; known are endpoint, etag, path-style, profile, region, timeout; credentials come from the environment or a profile
}

func ExampleNewS3Storage() {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion("eu-central-1"))
	if err != nil {
		log.Fatal(err)
	}
	client := s3.NewFromConfig(cfg) // configured as you like
	storage, err := s3lect.NewS3Storage(client, "my-bucket", s3lect.WithS3Prefix("elections"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%T\n", storage)
	// Output: *s3lect.S3Storage
}

func ExampleVerifyStorage() {
	storage := memory.New()
	report, err := s3lect.VerifyStorage(context.Background(), storage, "leader.json")
	if err != nil {
		log.Fatal(err)
	}
	for _, check := range report.Checks {
		fmt.Printf("%-5v %s\n", check.Passed, check.Name)
	}
	fmt.Println("safe:", report.Safe)
	// Output:
	// true  a missing object is not found
	// true  a race to create has one winner
	// true  a second create is refused
	// true  a fresh replace succeeds
	// true  a stale replace is refused
	// true  a read after a write sees it
	// true  an ETag changes with the bytes
	// true  a body matches its ETag
	// true  reads succeed while there are writes
	// true  a lone writer is never refused
	// true  a race to replace has one winner
	// true  a counter raced by compare-and-swap is exact
	// safe: true
}

func Example_openAnyStorage() {
	storage, err := stores.Open(context.Background(), "mem:jobs")
	if err != nil {
		log.Fatal(err)
	}
	_, _, err = storage.Get(context.Background(), "leader.json")
	fmt.Println(errors.Is(err, s3lect.ErrStorageNotFound))

	_, err = stores.Open(context.Background(), "/tmp/jobs")
	fmt.Println(err)
	// Output:
	// true
	// storage URL "/tmp/jobs" has no scheme; did you mean "file:///tmp/jobs"?
}
