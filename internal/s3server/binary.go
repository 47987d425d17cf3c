package s3server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/filelock"
)

const (
	// binaryVariable names a server to be used in the place of the pinned one.
	binaryVariable = "S3LECT_VERSITYGW"
	pkg            = "github.com/versity/versitygw/cmd/versitygw"
	buildTimeout   = 10 * time.Minute
)

// find returns the path of the server: the one that the environment names, the one that was built
// before, or one that it builds now as the tools module pins it.
var find = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(binaryVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s: %w", binaryVariable, err)
		}
		return path, nil
	}
	root, err := repository()
	if err != nil {
		return "", err
	}
	return build(root)
})

// repository finds the directory that holds the tools module, from that of the test upwards.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "tools", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("there is no tools/go.mod above this directory; set " + binaryVariable)
		}
		dir = parent
	}
}

// build builds the server once, also when several test processes need it at the same time.
func build(root string) (string, error) {
	binary := filepath.Join(root, ".tools", "versitygw")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(filepath.Dir(binary), ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := filelock.Lock(ctx, lock); err != nil {
		return "", err
	}
	if _, err := os.Stat(binary); err == nil {
		return binary, nil // another process has just built it
	}
	unfinished := binary + ".new"
	cmd := exec.CommandContext(ctx, "go", "-C", filepath.Join(root, "tools"), "build", "-o", unfinished, pkg)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build versitygw (make .tools/versitygw does the same): %w: %s", err, output)
	}
	return binary, os.Rename(unfinished, binary)
}
