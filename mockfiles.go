package s3lect

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/filelock"
)

// The files of a directory store that are no objects.
const (
	workDir    = ".s3lect"
	lockFile   = workDir + "/lock"
	tempPrefix = "new-"

	// staleAfter is how old an unfinished write must be to count as abandoned. Should its writer
	// still live, the write fails and nothing is lost.
	staleAfter = 10 * time.Minute
)

// objectFile returns the path of a key's file below the store's directory. No two keys have the
// same one.
func objectFile(key string) (string, error) {
	if err := checkKeyPath(key); err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(key, "/")
	if strings.EqualFold(first, workDir) { // as file systems that ignore case compare
		return "", fmt.Errorf("key %q lies in %q, which the store uses itself: %w", key, workDir, ErrStorageKey)
	}
	name, err := filepath.Localize(key)
	if err != nil || runtime.GOOS == "windows" && windowsAlters(key) {
		return "", fmt.Errorf("key %q is not a file name on %s: %w", key, runtime.GOOS, ErrStorageKey)
	}
	return name, nil
}

// windowsAlters reports whether Windows would refuse the path or open another one in its place.
func windowsAlters(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " ") {
			return true
		}
	}
	return strings.ContainsAny(path, `<>:"\|?*~`) // ~ is found in the short aliases of long names
}

func contentETag(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readObject needs no lock: a file is never changed, only replaced.
func readObject(ctx context.Context, root *os.Root, name string) (data []byte, etag string, err error) {
	if err := checkRegular(root, name); err != nil {
		return nil, "", err
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, "", asNotFound(err)
	}
	defer f.Close()
	hash := sha256.New()
	content := io.TeeReader(contextReader{ctx, f}, hash)
	if data, err = readBounded(content); err != nil {
		return nil, "", err
	}
	if _, err := io.Copy(io.Discard, content); err != nil { // the ETag is that of all bytes
		return nil, "", err
	}
	return data, hex.EncodeToString(hash.Sum(nil)), nil
}

func checkRegular(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return asNotFound(err)
	case info.IsDir():
		return errors.New("there is a directory of that name; choose another key")
	case !info.Mode().IsRegular():
		return fmt.Errorf("it is not a regular file (%s); choose another key", info.Mode().Type())
	}
	return nil
}

// asNotFound also covers a key whose parent is another key's file.
func asNotFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return ErrStorageNotFound
	}
	return err
}

// checkVersion compares an object with the version that a write asks for.
func checkVersion(ctx context.Context, root *os.Root, name, etag string) error {
	_, current, err := readObject(ctx, root, name)
	if err != nil && !errors.Is(err, ErrStorageNotFound) {
		return err
	}
	if current != etag {
		return ErrStoragePrecondition
	}
	return nil
}

// replaceObject compares and swaps. The slow part, bringing the new bytes to disk, is done before
// the lock is taken, so that it is held for a moment only.
func replaceObject(ctx context.Context, root *os.Root, name string, data []byte, etag string) error {
	if err := checkVersion(ctx, root, name, etag); err != nil {
		return err // spares the disk a write that cannot land
	}
	temp, err := writeTemp(root, data)
	if err != nil {
		return fmt.Errorf("%w; the object is as it was", err)
	}
	defer func() { _ = root.Remove(temp) }() // has become the object, if all went well
	if err := swap(ctx, root, temp, name, etag); err != nil {
		return err
	}
	return syncParents(root, name)
}

func swap(ctx context.Context, root *os.Root, temp, name, etag string) error {
	lock, err := lockStore(ctx, root)
	if err != nil {
		return err
	}
	defer unlockStore(lock)
	if err := checkVersion(ctx, root, name, etag); err != nil {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return fmt.Errorf("make the key's directory, which must not be another key's object: %w", err)
	}
	return root.Rename(temp, name)
}

func removeObject(ctx context.Context, root *os.Root, name string) error {
	err := checkRegular(root, name)
	if errors.Is(err, ErrStorageNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	lock, err := lockStore(ctx, root)
	if err != nil {
		return err
	}
	defer unlockStore(lock)
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if root.Remove(dir) != nil { // not empty
			return nil
		}
	}
	return nil
}

// writeTemp brings data to disk under a name of its own.
func writeTemp(root *os.Root, data []byte) (name string, err error) {
	if err := root.Mkdir(workDir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%w: the store's directory must be writable", err)
	}
	name = workDir + "/" + tempPrefix + rand.Text()
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", fmt.Errorf("%w: the store's directory must be writable", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = root.Remove(name)
		return "", err
	}
	return name, nil
}

// lockStore takes the one lock of the store. A lock on a file that was removed meanwhile would
// exclude nobody, so it must still be the file of that name.
func lockStore(ctx context.Context, root *os.Root) (*os.File, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := root.Mkdir(workDir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		lock, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		if err := filelock.Lock(ctx, lock); err != nil {
			_ = lock.Close()
			return nil, err
		}
		if isLockFile(root, lock) {
			return lock, nil
		}
		unlockStore(lock)
	}
}

func isLockFile(root *os.Root, f *os.File) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := root.Stat(lockFile)
	return err == nil && os.SameFile(held, named)
}

// unlockStore ignores errors: closing the file drops the lock in any case.
func unlockStore(lock *os.File) {
	_ = filelock.Unlock(lock)
	_ = lock.Close()
}

// syncParents brings the names of a file and of its directories to disk.
func syncParents(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if err := syncDir(root, dir); err != nil {
			return fmt.Errorf("sync directory %s: %w", dir, err)
		}
		if dir == "." {
			return nil
		}
	}
}

func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // a file system without such a thing
	}
	return err
}

// syncAbove brings the name of a new directory to disk, and those of directories that were made for
// it: a store that a crash takes away as a whole would have its terms begin anew. It does what it
// can: not every directory above can be opened.
func syncAbove(dir string) {
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if f, err := os.Open(parent); err == nil {
			_ = f.Sync()
			_ = f.Close()
		}
	}
}

// removeStaleTemps removes what killed writers left behind. It does what it can: a store that can
// only be read keeps it.
func removeStaleTemps(dir string) {
	dir = filepath.Join(dir, workDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), tempPrefix) && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}
