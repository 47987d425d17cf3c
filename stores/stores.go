// Package stores opens a storage from a URL.
package stores

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// A scheme is one kind of storage: how its URLs look, and what opens one. The URL is passed whole.
type scheme struct {
	example string
	open    func(ctx context.Context, url string) (s3lect.Storage, error)
}

var schemes = map[string]scheme{
	"file":   {"file:///var/lib/jobs", openDirectory},
	"mem":    {"mem:name", openMemory},
	"redis":  {"redis://host:6379?prefix=jobs", openRedis},
	"rediss": {"rediss://host:6379?prefix=jobs", openRedis},
	"s3":     {"s3://bucket/prefix?region=eu-central-1", openS3},
}

// Open opens the storage that a URL names. The schemes are
//
//   - file:///absolute/path or file:relative/path, a directory of this machine; it is created if it
//     does not exist (see [s3lect.MockStorage]);
//   - mem:name, a storage that all who open that name in this process share (see [memory.Open]);
//   - s3://bucket/prefix with parameters (see [s3lect.OpenS3Storage]);
//   - redis://host:port with parameters, and rediss: for TLS (see [redis.Open]).
//
// Open makes no request to a server. Errors say what is wrong with the URL. A storage that has
// connections to give back has a method Close() error, for when it is not used any more.
func Open(ctx context.Context, url string) (s3lect.Storage, error) {
	if url == "" {
		return nil, fmt.Errorf("the storage URL is empty; known are %s", examples())
	}
	name, rest, found := strings.Cut(url, ":")
	if !found || strings.ContainsAny(name, `/\`) || isWindowsPath(url) {
		return nil, fmt.Errorf("storage URL %q has no scheme; %s", redact(url), suggestion(redact(url)))
	}
	s, known := schemes[strings.ToLower(name)]
	if !known {
		return nil, fmt.Errorf("storage URL %q: unknown scheme %q; known are %s", redact(url), name, examples())
	}
	return s.open(ctx, strings.ToLower(name)+":"+rest)
}

// isWindowsPath reports whether what looks like a scheme is a drive.
func isWindowsPath(url string) bool {
	return len(url) > 2 && url[1] == ':' && (url[2] == '\\' || url[2] == '/')
}

// suggestion guesses what was meant: a path, most likely.
func suggestion(url string) string {
	path := strings.ReplaceAll(url, `\`, "/")
	switch {
	case isWindowsPath(url):
		return fmt.Sprintf("did you mean %q?", "file:///"+path)
	case strings.HasPrefix(path, "/"):
		return fmt.Sprintf("did you mean %q?", "file://"+path)
	default:
		return fmt.Sprintf("did you mean the directory %q or the bucket %q?", "file:"+path, "s3://"+path)
	}
}

// redact hides what may be a password in the URL of a store that is not known: before the host, or
// among the parameters.
func redact(url string) string {
	scheme, rest, found := strings.Cut(url, ":")
	if !found {
		return url
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = "..." + rest[at:]
	}
	if address, _, found := strings.Cut(rest, "?"); found {
		rest = address + "?..."
	}
	return scheme + ":" + rest
}

func examples() string {
	var list []string
	for _, s := range schemes {
		list = append(list, s.example)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func openMemory(_ context.Context, url string) (s3lect.Storage, error) {
	name := strings.TrimPrefix(url, "mem:")
	if name == "" || strings.ContainsAny(name, "/?#") {
		return nil, fmt.Errorf("storage URL %q: a store in memory is named by one word, as in mem:jobs", url)
	}
	return memory.Open(name), nil
}
