package durable

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"testing"
	"testing/iotest"
)

func TestBuffer(t *testing.T) {
	t.Parallel()
	const memory, limit = 1000, 5000
	tests := []struct {
		name   string
		writes []int
		spills bool
		err    error // of the last write
	}{
		{"empty", nil, false, nil},
		{"in memory", []int{999, 1}, false, nil},
		{"one byte beyond memory", []int{999, 2}, true, nil},
		{"large at once", []int{3000}, true, nil},
		{"grows in the file", []int{900, 900, 900, 900}, true, nil},
		{"up to the limit", []int{900, 4100}, true, nil},
		{"beyond the limit", []int{900, 4101}, false, ErrTooLarge},
		{"beyond the limit in the file", []int{4900, 101}, true, ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := NewBuffer(dir, memory, limit)
			var want []byte
			for i, n := range tt.writes {
				p := noise(n)
				wrote, err := b.Write(p)
				if last := i == len(tt.writes)-1; last && !errors.Is(err, tt.err) || !last && err != nil {
					t.Fatalf("write %d: %v", i, err)
				}
				want = append(want, p[:wrote]...)
			}
			if b.Size() != int64(len(want)) {
				t.Errorf("size %d, want %d", b.Size(), len(want))
			}
			if spilled := b.file != nil; spilled != tt.spills {
				t.Errorf("spilled %t, want %t", spilled, tt.spills)
			}
			checkBuffer(t, b, dir, want)
		})
	}
}

func checkBuffer(t *testing.T, b *Buffer, dir string, want []byte) {
	t.Helper()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the directory shows %v, %v", entries, err)
	}
	other := b.Reader() // independent of the next
	if err := iotest.TestReader(b.Reader(), want); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(other); err != nil || !bytes.Equal(got, want) {
		t.Errorf("second reader: %d bytes, %v", len(got), err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func TestBufferWithoutDirectory(t *testing.T) {
	t.Parallel()
	b := NewBuffer(t.TempDir()+"/missing", 10, 0)
	if _, err := b.Write(noise(10)); err != nil {
		t.Errorf("in memory: %v", err)
	}
	if _, err := b.Write(noise(1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("spill: got %v, want not exist", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// /dev/full is where Linux keeps a disk without space.
func TestBufferOnAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if runtime.GOOS != "linux" {
		t.Skip("runs on Linux, where /dev/full always is")
	}
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuffer(t.TempDir(), 10, 0)
	b.file = full
	if _, err := b.Write(noise(100)); !errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// The memory of a closed buffer is lent to the next one: a reader that is kept for
// too long must not see somebody else's mail.
func TestReaderOfAClosedBufferSeesNothing(t *testing.T) {
	t.Parallel()
	b := NewBuffer(t.TempDir(), 0, 0)
	if _, err := b.Write([]byte("mine")); err != nil {
		t.Fatal(err)
	}
	r := b.Reader()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	other := NewBuffer(t.TempDir(), 0, 0)
	defer other.Close()
	if _, err := other.Write([]byte("yours")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); len(got) > 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %q, %v", got, err)
	}
}

// A reader that was made before the message outgrew memory goes on in the file.
func TestReaderFollowsABufferIntoItsFile(t *testing.T) {
	t.Parallel()
	b := NewBuffer(t.TempDir(), 10, 0)
	defer b.Close()
	if _, err := b.Write([]byte("12345")); err != nil {
		t.Fatal(err)
	}
	r := b.Reader()
	if _, err := b.Write([]byte("67890 and more")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != "12345" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
