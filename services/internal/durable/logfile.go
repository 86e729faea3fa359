package durable

import (
	"fmt"
	"sync"

	"github.com/ncruces/go-sqlite3/vfs"
)

// logVFS is the system's files, with the log in a logFile.
type logVFS struct{ vfs.VFSFilename }

const logVFSName = "correio-log"

// registerVFS makes logVFS known to SQLite, once.
var registerVFS = sync.OnceValue(func() error {
	system, ok := vfs.Find("os").(vfs.VFSFilename)
	if !ok {
		return fmt.Errorf("sqlite: the system's VFS opens no file names")
	}
	vfs.Register(logVFSName, logVFS{system})
	return nil
})

// OpenFilename implements vfs.VFSFilename.
func (v logVFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := v.VFSFilename.OpenFilename(name, flags)
	if err == nil && flags&vfs.OPEN_WAL != 0 {
		f = &logFile{File: f}
	}
	return f, flags, err //nolint:wrapcheck // SQLite takes the system's error apart
}

// maxPending bounds what a logFile keeps, in octets.
const maxPending = 256 << 10

// logFile is the write-ahead log of one connection. SQLite writes it frame by
// frame, each in two pieces of 24 octets and of a page, one behind the other, and
// reads what it has written only after it has synced it or by the same file: with
// synchronous=FULL other connections are shown no frame before that. So pieces
// that follow each other are written together, when the file is synced or read.
// For a group of ten messages that is one system call in place of a hundred.
type logFile struct {
	vfs.File
	pending []byte
	at      int64 // where pending belongs
}

// WriteAt implements vfs.File.
func (f *logFile) WriteAt(p []byte, off int64) (int, error) {
	if len(f.pending) > 0 && (off != f.at+int64(len(f.pending)) || len(f.pending)+len(p) > maxPending) {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if len(f.pending) == 0 {
		f.at = off
	}
	f.pending = append(f.pending, p...)
	return len(p), nil
}

// flush writes what is pending. What cannot be written is forgotten: SQLite takes
// its transaction back.
func (f *logFile) flush() error {
	if len(f.pending) == 0 {
		return nil
	}
	_, err := f.File.WriteAt(f.pending, f.at)
	f.pending = f.pending[:0]
	return err //nolint:wrapcheck // SQLite takes the system's error apart
}

// ReadAt implements vfs.File.
func (f *logFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off) //nolint:wrapcheck // as above
}

// Sync implements vfs.File.
func (f *logFile) Sync(flags vfs.SyncFlag) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Sync(flags) //nolint:wrapcheck // as above
}

// Truncate implements vfs.File.
func (f *logFile) Truncate(size int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Truncate(size) //nolint:wrapcheck // as above
}

// Size implements vfs.File.
func (f *logFile) Size() (int64, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.Size() //nolint:wrapcheck // as above
}

// Close implements vfs.File.
func (f *logFile) Close() error {
	err := f.flush()
	if closed := f.File.Close(); err == nil {
		err = closed
	}
	return err //nolint:wrapcheck // as above
}
