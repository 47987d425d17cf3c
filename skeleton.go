package s3lect

import "context"

// Written by the storage part. Signatures are fixed.

// NewMock returns a MockStorage on a new temporary directory.
// func NewMock() *MockStorage
// func NewMockStorage(baseDir string) (*MockStorage, error)
// func OpenS3Storage(ctx, url string) (*S3Storage, error)

// VerifyStorage probes a live storage below key; written by the storage part.
var _ context.Context
