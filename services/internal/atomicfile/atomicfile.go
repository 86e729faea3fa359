// Package atomicfile replaces small files so that a reader sees the old content
// or the new, whole, whatever happens in between, a power cut included.
//
// The content goes to a temporary file in the same folder, is synced, renamed
// over the old file, and the folder is synced. When Write returns nil, the new
// content is on disk.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the file at path by data, with exactly the permissions perm.
// The folder must exist. On failure the old file is as it was.
func Write(path string, data []byte, perm fs.FileMode) error {
	dir, base := filepath.Split(path)
	dir = filepath.Clean(dir)
	temp, err := os.CreateTemp(dir, "."+base+".*")
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if err := fill(temp, data, perm); err != nil {
		return fmt.Errorf("replace %s: %w", path, errors.Join(err, os.Remove(temp.Name())))
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return fmt.Errorf("replace %s: %w", path, errors.Join(err, os.Remove(temp.Name())))
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("replace %s: sync folder: %w", path, err)
	}
	return nil
}

func fill(f *os.File, data []byte, perm fs.FileMode) (err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
