package stores

import (
	"context"

	"github.com/seed-6dc909bb/s3lect"
)

func openS3(ctx context.Context, url string) (s3lect.Storage, error) {
	storage, err := s3lect.OpenS3Storage(ctx, url)
	if err != nil {
		return nil, err // not a nil *S3Storage in an interface
	}
	return storage, nil
}
