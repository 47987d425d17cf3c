package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// requestTimeout bounds a request that Consul answers at once.
	requestTimeout = 10 * time.Second
	// maxBody bounds an answer: a list of 256 instances, each with all the tags there can be.
	maxBody = 16 << 20
)

// statusError is an answer other than success.
type statusError struct {
	code int
	text string // the beginning of the body
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.code, http.StatusText(e.code))
	if e.text != "" {
		text += ": " + e.text
	}
	switch e.code {
	case http.StatusForbidden, http.StatusUnauthorized:
		text += " (is the token the right one, and may it read and write the service?)"
	case http.StatusBadRequest:
		text += " (is this port for HTTPS?)"
	}
	return text
}

// unknown says whether the service that the request was about is not there. Older versions of Consul say so with the status 500.
func unknown(err error) bool {
	var status *statusError
	if !errors.As(err, &status) {
		return false
	}
	return status.code == http.StatusNotFound || status.code == http.StatusInternalServerError &&
		strings.Contains(status.text, "Unknown service")
}

// do sends a request, with body as JSON unless it is nil, and returns the answer's header and body.
func (s *source) do(ctx context.Context, method, path string, query url.Values, body any) (http.Header, []byte, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		content = bytes.NewReader(data)
	}
	target := s.base
	target.RawQuery = query.Encode()
	target.RawPath = path // with what is special in it escaped
	target.Path, _ = url.PathUnescape(path)
	request, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.options.Token != "" {
		request.Header.Set("X-Consul-Token", s.options.Token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read answer: %w", err)
	case response.StatusCode != http.StatusOK:
		text := strings.TrimSpace(string(data[:min(len(data), 300)]))
		return nil, nil, &statusError{code: response.StatusCode, text: strings.ToValidUTF8(text, "")}
	case len(data) > maxBody:
		return nil, nil, fmt.Errorf("answer is longer than %d bytes", maxBody)
	}
	return response.Header, data, nil
}
