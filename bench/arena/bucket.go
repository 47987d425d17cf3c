package arena

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // an ETag is not a secret
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// bucket is an S3 bucket in memory, with linearizable conditional writes. It answers the requests that
// electors make: GET, PUT and DELETE of an object.
type bucket struct {
	mu      sync.Mutex
	objects map[string]object
}

type object struct {
	body    []byte
	etag    string
	changed time.Time
}

func newBucket() *bucket { return &bucket{objects: map[string]object{}} }

func (b *bucket) look(key string) (object, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	return o, ok
}

// remove deletes everything, as a human might.
func (b *bucket) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.objects)
}

// serve answers a request. The body of a read is read torn later than its ETag.
func (b *bucket) serve(a *Arena, method, key string, header http.Header, body []byte, torn time.Duration) answer {
	if !strings.HasPrefix(key, "/"+Bucket+"/") {
		return failure(http.StatusNotImplemented, "NotImplemented") // a list, which is not to look like an object that is missing
	}
	if method == http.MethodGet {
		o, ok := b.look(key)
		if !ok {
			return failure(http.StatusNotFound, "NoSuchKey")
		}
		if torn > 0 {
			a.sleep(torn)
			if later, ok := b.look(key); ok {
				o.body = later.body
			}
		}
		return answer{status: http.StatusOK, body: o.body, etag: o.etag, changed: o.changed}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, exists := b.objects[key]
	switch want := header.Get("If-Match"); {
	case want != "" && !exists:
		return failure(http.StatusNotFound, "NoSuchKey")
	case want != "" && want != now.etag:
		return failure(http.StatusPreconditionFailed, "PreconditionFailed")
	case header.Get("If-None-Match") == "*" && exists:
		return failure(http.StatusPreconditionFailed, "PreconditionFailed")
	}
	switch method {
	case http.MethodPut:
		sum := md5.Sum(body) //nolint:gosec // as S3 does
		o := object{body: body, etag: `"` + hex.EncodeToString(sum[:]) + `"`, changed: time.Now()}
		b.objects[key] = o
		return answer{status: http.StatusOK, etag: o.etag}
	case http.MethodDelete:
		delete(b.objects, key)
		return answer{status: http.StatusNoContent}
	default:
		return failure(http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

// answer is what a bucket answers.
type answer struct {
	status  int
	code    string // of an error
	etag    string
	body    []byte
	changed time.Time
}

func failure(status int, code string) answer { return answer{status: status, code: code} }

// statusAnswer is an answer of a server that has not carried the request out.
func statusAnswer(status int) answer {
	code := map[int]string{
		http.StatusConflict:           "ConditionalRequestConflict",
		http.StatusServiceUnavailable: "SlowDown",
		http.StatusTooManyRequests:    "TooManyRequests",
	}[status]
	if code == "" {
		code = "InternalError"
	}
	return failure(status, code)
}

// response is the answer as HTTP.
func (a answer) response(req *http.Request) *http.Response {
	body, header := a.body, http.Header{}
	if a.code != "" {
		type xmlError struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
			Message string
		}
		var err error
		if body, err = xml.Marshal(xmlError{Code: a.code, Message: a.code}); err != nil {
			panic(fmt.Sprint("a string cannot be written as XML: ", err))
		}
		header.Set("Content-Type", "application/xml")
	}
	if a.etag != "" {
		header.Set("ETag", a.etag)
	}
	if !a.changed.IsZero() {
		header.Set("Last-Modified", a.changed.UTC().Format(http.TimeFormat))
	}
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// transport is a node's way to the bucket, as an HTTP client.
type transport struct{ n *Node }

// Do sends a request.
func (t transport) Do(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		_ = req.Body.Close() // it is read, and in memory
	}
	a, err := send(req.Context(), t.n, request[answer]{
		write: req.Method != http.MethodGet && req.Method != http.MethodHead,
		serve: func(ctx context.Context, torn time.Duration) answer {
			if server := t.n.arena.options.Server; server != nil {
				return forward(ctx, server, req, body)
			}
			return t.n.arena.bucket.serve(t.n.arena, req.Method, req.URL.Path, req.Header, body, torn)
		},
		status:  statusAnswer,
		refused: func(a answer) bool { return a.status == http.StatusPreconditionFailed },
	})
	if err != nil {
		return nil, err
	}
	if a.status == 0 {
		return nil, errReset
	}
	return a.response(req), nil
}

// forward asks a real server.
func forward(ctx context.Context, server http.RoundTripper, req *http.Request, body []byte) answer {
	out := req.Clone(ctx)
	out.Body = io.NopCloser(bytes.NewReader(body))
	res, err := server.RoundTrip(out)
	if err != nil {
		return answer{}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}
	}
	a := answer{status: res.StatusCode, body: data, etag: res.Header.Get("ETag")}
	if res.StatusCode >= http.StatusMultipleChoices {
		var e struct{ Code string }
		if xml.Unmarshal(data, &e) != nil || e.Code == "" {
			e.Code = http.StatusText(res.StatusCode)
		}
		a.code = e.Code
	}
	return a
}
