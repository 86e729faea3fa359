package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// MountPoint returns the user's own empty directory for the memory file
// systems of runs, made if need be: in the user's cache directory, or in the
// system's temporary one when there is none.
func MountPoint() (string, error) {
	cache, err := os.UserCacheDir()
	if err == nil {
		dir := filepath.Join(cache, "correio", "run")
		if err = os.MkdirAll(dir, 0o700); err == nil {
			if err = owned(dir); err == nil {
				return dir, nil
			}
		}
	}
	dir := filepath.Join(os.TempDir(), "correio-"+strconv.Itoa(os.Getuid()))
	if mkErr := os.Mkdir(dir, 0o700); mkErr != nil && !errors.Is(mkErr, fs.ErrExist) {
		return "", fmt.Errorf("make a directory to mount on: %w; %w", err, mkErr)
	}
	if err := owned(dir); err != nil {
		return "", fmt.Errorf("directory to mount on: %w", err)
	}
	return dir, nil
}
