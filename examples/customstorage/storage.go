package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/seed-6dc909bb/s3lect"
)

// storage is an s3lect.Storage on such a server. The two methods are all that an election needs.
// What takes care is what each answer means, since an election trusts it.
type storage struct {
	client *http.Client
	url    string
}

var _ s3lect.Storage = (*storage)(nil)

// Get implements s3lect.Storage.
func (s *storage) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	response, err := s.do(ctx, http.MethodGet, key, nil, nil)
	if err != nil {
		return nil, "", fmt.Errorf("read %q: %w", key, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound && response.Header.Get("X-Missing") == "object":
		// Only this is "not found". A wrong URL, a missing permission or a proxy in between must
		// not look like a leadership that nobody has.
		return nil, "", fmt.Errorf("read %q: %w", key, s3lect.ErrStorageNotFound)
	case response.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("read %q: %w", key, failure(response))
	}
	if data, err = io.ReadAll(io.LimitReader(response.Body, 1<<20)); err != nil {
		return nil, "", fmt.Errorf("read %q: %w", key, err)
	}
	return data, response.Header.Get("ETag"), nil
}

// PutIfMatch implements s3lect.Storage. It makes one attempt: a second one could be refused because
// of the first, and the writer would not know that it has won.
func (s *storage) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	condition := http.Header{"If-Match": {etag}}
	if etag == "" {
		condition = http.Header{"If-None-Match": {"*"}}
	}
	response, err := s.do(ctx, http.MethodPut, key, condition, data)
	if err != nil {
		return fmt.Errorf("write %q: %w", key, err)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusPreconditionFailed:
		return fmt.Errorf("write %q: %w", key, s3lect.ErrStoragePrecondition)
	}
	return fmt.Errorf("write %q: %w", key, failure(response)) // whether it landed is not known
}

func (s *storage) do(ctx context.Context, method, key string, header http.Header, body []byte) (*http.Response, error) {
	if key == "" {
		return nil, errors.New("the key is empty")
	}
	address := s.url + "?" + url.Values{"key": {key}}.Encode() // any key, and no two are the same
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	return s.client.Do(request)
}

// failure is the error of an answer that has no meaning of its own. Being asked to slow down has
// one: the elector then waits longer.
func failure(response *http.Response) error {
	if response.StatusCode == http.StatusTooManyRequests {
		return s3lect.ErrStorageThrottled
	}
	return fmt.Errorf("the server answered %s", response.Status)
}
