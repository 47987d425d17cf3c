package arena

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Bucket is the name of the arena's bucket.
const Bucket = "arena"

// S3 returns the process's client of the arena's bucket, as the SDK makes it: with its retries.
func (n *Node) S3() *s3.Client {
	n.clients.Do(n.makeClients)
	return n.client
}

// S3WithoutRetries returns a client for callers that repeat requests by themselves, or must not.
func (n *Node) S3WithoutRetries() *s3.Client {
	n.clients.Do(n.makeClients)
	return n.clientWithoutRetries
}

func (n *Node) makeClients() {
	o := s3.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://bucket.arena"),
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider("testaccess", "testsecret", ""),
		HTTPClient:   transport{n},
		// Bodies as they are: a checksum behind them would have to be taken off again by the bucket.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if n.arena.options.Endpoint != "" {
		o.BaseEndpoint = aws.String(n.arena.options.Endpoint)
	}
	n.client = s3.New(o)
	n.clientWithoutRetries = s3.New(o, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
}
