package s3lect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// s3Lister is the further ability of a client that List needs.
type s3Lister interface {
	ListObjectsV2(ctx context.Context, params *s3.ListObjectsV2Input, optFns ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// List implements [Lister], with one request for each thousand objects. It needs the permission
// s3:ListBucket. Keys that this storage could not hold are left out, such as those that other
// programs put into the place of directories.
func (s *S3Storage) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for token := ""; ; {
			page, next, err := s.page(ctx, prefix, token)
			if err != nil {
				yield("", err)
				return
			}
			for _, object := range page {
				key, ours := strings.CutPrefix(aws.ToString(object.Key), s.prefix)
				if ours && checkKeyPath(key) == nil && !yield(key, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

// page returns the objects of one answer, and the token that asks for the next, "" after the last.
func (s *S3Storage) page(ctx context.Context, prefix, token string) (objects []types.Object, next string, err error) {
	ctx, call := s.attempt(ctx, "list", prefix)
	defer call.end()
	client, ok := s.client.(s3Lister)
	if !ok {
		return nil, "", call.failed(fmt.Errorf("the client %T has no ListObjectsV2: %w", s.client, errors.ErrUnsupported))
	}
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &call.key}
	if token != "" {
		in.ContinuationToken = &token
	}
	if s.pageSize > 0 {
		in.MaxKeys = &s.pageSize
	}
	out, err := client.ListObjectsV2(ctx, in, s.oneAttempt)
	if err != nil {
		return nil, "", call.failed(err)
	}
	if !aws.ToBool(out.IsTruncated) {
		return out.Contents, "", nil
	}
	next = aws.ToString(out.NextContinuationToken)
	if next == "" || next == token {
		return nil, "", call.failed(errors.New("the server says that there are more objects, and not how to ask for them"))
	}
	return out.Contents, next, nil
}
