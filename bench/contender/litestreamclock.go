package contender

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/benbjohnson/litestream"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

// offsetClient stands in for a wall clock that shows the wrong time. The leaser has no other way of
// noticing one than that it writes times of its own and compares others' with its own.
type offsetClient struct {
	*s3.Client
	node *arena.Node
}

func (c *offsetClient) PutObject(ctx context.Context, in *s3.PutObjectInput, options ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if offset := c.node.Offset(); offset != 0 {
		data, err := shifted(in.Body, offset)
		if err != nil {
			return nil, err
		}
		in.Body = bytes.NewReader(data)
	}
	return c.Client.PutObject(ctx, in, options...)
}

func (c *offsetClient) GetObject(ctx context.Context, in *s3.GetObjectInput, options ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	out, err := c.Client.GetObject(ctx, in, options...)
	offset := c.node.Offset()
	if err != nil || offset == 0 {
		return out, err
	}
	defer out.Body.Close()
	data, err := shifted(out.Body, -offset)
	if err != nil {
		return nil, err
	}
	out.Body = io.NopCloser(bytes.NewReader(data))
	return out, nil
}

// shifted returns the lease with its end shifted.
func shifted(r io.Reader, by time.Duration) ([]byte, error) {
	var l litestream.Lease
	if err := json.NewDecoder(r).Decode(&l); err != nil {
		return nil, fmt.Errorf("read the lease: %w", err)
	}
	l.ExpiresAt = l.ExpiresAt.Add(by)
	return json.Marshal(l)
}
