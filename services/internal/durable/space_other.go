//go:build !linux && !darwin

package durable

import "errors"

// DiskFree is not known on this system: errors.ErrUnsupported.
func DiskFree(string) (int64, error) { return 0, errors.ErrUnsupported }
