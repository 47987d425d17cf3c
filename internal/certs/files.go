package certs

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// file is one to be written.
type file struct {
	path string
	data []byte
	mode fs.FileMode
}

// files are written all, or none.
type files struct {
	list []file
	undo []string // files and directories made so far
}

// add appends a certificate and its key. The key comes first: whoever waits for the certificate
// then finds both.
func (f *files) add(p Pair, cert *x509.Certificate, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key for %s: %w", p.Key, err)
	}
	f.list = append(f.list,
		file{p.Key, pemOf("PRIVATE KEY", der), 0o600},
		file{p.Cert, pemOf("CERTIFICATE", cert.Raw), 0o644})
	return nil
}

func (f *files) write() error {
	if err := f.checkAbsent(); err != nil {
		return err
	}
	for _, one := range f.list {
		err := f.makeDir(filepath.Dir(one.path))
		if err == nil {
			err = f.create(one)
		}
		if err != nil {
			return f.rollBack(err)
		}
	}
	return nil
}

// checkAbsent names every file in the way at once.
func (f *files) checkAbsent() error {
	var there []string
	for _, one := range f.list {
		switch _, err := os.Lstat(one.path); {
		case err == nil:
			there = append(there, one.path)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("nothing was made: %w", err)
		}
	}
	if len(there) > 0 {
		return fmt.Errorf("nothing was made, because no file is overwritten and there is %s: choose another name, or another directory for the new files", strings.Join(there, ", "))
	}
	return nil
}

// makeDir makes a directory and those above it, as far as they are missing.
func (f *files) makeDir(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is not a directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := f.makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	f.undo = append(f.undo, dir)
	return nil
}

func (f *files) create(one file) error {
	opened, err := os.OpenFile(one.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, one.mode)
	if err != nil {
		return err
	}
	f.undo = append(f.undo, one.path)
	_, err = opened.Write(one.data)
	return errors.Join(err, opened.Sync(), opened.Close())
}

// rollBack removes what was made before an error, and returns that error with whatever is left.
func (f *files) rollBack(err error) error {
	var left []error
	for _, path := range slices.Backward(f.undo) {
		if err := os.Remove(path); err != nil {
			left = append(left, fmt.Errorf("%s was made and cannot be removed again: %w", path, err))
		}
	}
	if len(left) == 0 {
		return fmt.Errorf("nothing was made: %w", err)
	}
	return errors.Join(append([]error{err}, left...)...)
}
