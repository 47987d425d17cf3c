package s3lect

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/s3server"
)

var (
	_ Lister  = (*S3Storage)(nil)
	_ Deleter = (*S3Storage)(nil)
)

// listPage is an answer to ListObjectsV2; next is empty on the last page.
func listPage(next string, keys ...string) string {
	var contents strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&contents, "<Contents><Key>%s</Key></Contents>", key)
	}
	if next != "" {
		next = "<NextContinuationToken>" + next + "</NextContinuationToken>"
	}
	return fmt.Sprintf(`<?xml version="1.0"?><ListBucketResult><IsTruncated>%v</IsTruncated>%s%s</ListBucketResult>`, next != "", next, &contents)
}

func TestAListHasThousandsOfObjectsInPages(t *testing.T) {
	const objects, perPage = 2500, 1000
	var asked []string
	s := newFakeS3(t, func(r *http.Request) (*http.Response, error) {
		q := r.URL.Query()
		assert.Equal(t, "elections/rounds/", q.Get("prefix"))
		asked = append(asked, q.Get("continuation-token"))
		first, _ := strconv.Atoi(q.Get("continuation-token"))
		var keys []string
		for i := first; i < min(first+perPage, objects); i++ {
			keys = append(keys, fmt.Sprintf("elections/rounds/%04d.json", i))
		}
		next := ""
		if first+perPage < objects {
			next = strconv.Itoa(first + perPage)
		}
		return respond(http.StatusOK, listPage(next, keys...)), nil
	}, WithS3Prefix("elections"))

	keys := keysOf(t, s.List(t.Context(), "rounds/"))
	require.Len(t, keys, objects)
	assert.Equal(t, "rounds/0000.json", keys[0])
	assert.Equal(t, "rounds/2499.json", keys[objects-1])
	assert.Equal(t, []string{"", "1000", "2000"}, asked)

	asked = nil
	for _, err := range s.List(t.Context(), "rounds/") {
		require.NoError(t, err)
		break
	}
	assert.Equal(t, []string{""}, asked, "what is not wanted is not asked for")
}

func TestAListLeavesOutWhatIsNoKey(t *testing.T) {
	s := newFakeS3(t, func(*http.Request) (*http.Response, error) {
		return respond(http.StatusOK, listPage("", "p/", "p/jobs/", "p/jobs//x", "p/a/../b", "p/jobs/a.json", "other/x")), nil
	}, WithS3Prefix("p"))
	assert.Equal(t, []string{"jobs/a.json"}, keysOf(t, s.List(t.Context(), "")))
}

func TestAListEndsWithAnError(t *testing.T) {
	type answer struct {
		status int
		body   string
	}
	endless := listPage("again", "rounds/a")
	for name, c := range map[string]struct {
		answers []answer
		keys    int
		says    string
	}{
		"at once":            {[]answer{{http.StatusForbidden, failure("AccessDenied")}}, 0, "s3:ListBucket"},
		"on the second page": {[]answer{{http.StatusOK, endless}, {http.StatusInternalServerError, ""}}, 1, "the server failed; try again"},
		"without a token": {[]answer{{http.StatusOK,
			`<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>rounds/a</Key></Contents></ListBucketResult>`}}, 0, "not how to ask"},
		"going in a circle": {[]answer{{http.StatusOK, endless}, {http.StatusOK, endless}}, 1, "not how to ask"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeS3(t, func(*http.Request) (*http.Response, error) {
				require.NotEmpty(t, c.answers, "more requests than expected")
				next := c.answers[0]
				c.answers = c.answers[1:]
				return respond(next.status, next.body), nil
			})
			keys, errs := 0, 0
			for key, err := range s.List(t.Context(), "rounds/") {
				if err == nil {
					keys++
					continue
				}
				errs++
				assert.Empty(t, key)
				assert.ErrorContains(t, err, "list s3://bucket/rounds/: ")
				assert.ErrorContains(t, err, c.says)
			}
			assert.Equal(t, c.keys, keys)
			assert.Equal(t, 1, errs)
		})
	}
}

func TestEachPageOfAListHasItsOwnTimeout(t *testing.T) {
	s := newFakeS3(t, func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}, WithS3AttemptTimeout(time.Millisecond))
	for _, err := range s.List(t.Context(), "") {
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "no answer within 1ms")
	}
}

func TestAClientThatCannotListSaysSo(t *testing.T) {
	s, err := NewS3Storage(struct{ S3Client }{}, "bucket")
	require.NoError(t, err)
	for _, err := range s.List(t.Context(), "") {
		assert.ErrorContains(t, err, "has no ListObjectsV2")
	}
}

func TestARealServerListsInPages(t *testing.T) {
	server := s3server.Start(t)
	bucket := server.NewBucket(t)
	s, err := NewS3Storage(server.Client(), bucket, WithS3Prefix("elections"))
	require.NoError(t, err)
	s.pageSize = 7
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("rounds/%02d/a b+c.json", i)
		require.NoError(t, s.PutIfMatch(t.Context(), key, []byte("x"), ""))
		want = append(want, key)
	}
	_, err = server.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("rounds/not-below-the-prefix")})
	require.NoError(t, err)
	assert.Equal(t, want, keysOf(t, s.List(t.Context(), "rounds/")))
	assert.Equal(t, want, keysOf(t, s.List(t.Context(), "")))
	assert.Empty(t, keysOf(t, s.List(t.Context(), "other/")))
}
