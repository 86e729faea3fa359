//go:build linux || darwin

package durable

import "syscall"

// DiskFree returns how many bytes an ordinary user may still write in dir.
func DiskFree(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
