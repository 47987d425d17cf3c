package stores

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/seed-6dc909bb/s3lect"
)

func openDirectory(_ context.Context, address string) (s3lect.Storage, error) {
	dir, err := directoryOf(address)
	if err != nil {
		return nil, fmt.Errorf("storage URL %q: %w", address, err)
	}
	storage, err := s3lect.NewMockStorage(dir)
	if err != nil {
		return nil, fmt.Errorf("storage URL %q: %w", address, err)
	}
	return storage, nil
}

// Directory returns the directory that a file: URL names, without opening or creating it. For other
// URLs, and for those that Open would refuse, ok is false.
func Directory(url string) (dir string, ok bool) {
	if scheme, _, _ := strings.Cut(url, ":"); !strings.EqualFold(scheme, "file") {
		return "", false
	}
	dir, err := directoryOf(url)
	return dir, err == nil
}

// directoryOf takes file:///absolute, file:/absolute, file:relative and file://./relative.
func directoryOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", withoutURL(err)
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("a directory takes no parameters; write a question mark in its name as %3F")
	}
	if u.Fragment != "" {
		return "", errors.New("a directory takes no fragment; write a number sign in its name as %23")
	}
	path := u.Path
	if u.Opaque != "" {
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return "", err
		}
	}
	switch u.Host {
	case "", "localhost":
	case ".", "..":
		path = u.Host + path
	default:
		return "", fmt.Errorf("it names the host %q; did you mean \"file:///%s%s\" or \"file:%s%s\"?", u.Host, u.Host, u.Path, u.Host, u.Path)
	}
	if path == "" {
		return "", errors.New("it names no directory; write it as in file:///var/lib/jobs or file:jobs")
	}
	if runtime.GOOS == "windows" && len(path) > 2 && path[0] == '/' && path[2] == ':' {
		path = path[1:] // file:///C:/jobs
	}
	return filepath.FromSlash(path), nil
}

// withoutURL strips the URL from an error that is going to be wrapped with it.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
