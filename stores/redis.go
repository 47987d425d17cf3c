package stores

import (
	"context"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

func openRedis(_ context.Context, url string) (s3lect.Storage, error) {
	storage, err := redis.Open(url)
	if err != nil {
		return nil, err // not a nil *redis.Storage in an interface
	}
	return storage, nil
}
