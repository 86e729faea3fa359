package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// mountSmall puts a file system of so many octets, in memory, in the place of a
// directory. Inside a lab this process is root of its own namespaces, whoever
// has started it: the mount is the lab's alone and ends with it.
func mountSmall(t *testing.T, dir string, size int) {
	t.Helper()
	if err := syscall.Mount("small", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Fatalf("mount a small file system on %s: %v", dir, err)
	}
}

// fill takes all the room that is left in a directory, and returns what gives it
// back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, piece := range []int{1 << 20, 4096, 1} {
		for block := make([]byte, piece); err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill %s: %v", dir, err)
		}
		err = nil
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// addPeers gives the lab the addresses of peerNet, all 256 of them: that is what
// an address with a network mask means on the loopback device.
func addPeers(t *testing.T) {
	t.Helper()
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(s)
	// struct ifreq: a name of 16 octets and, here, a sockaddr_in. The kernel
	// takes the mask from the address: 198.… is a class C network, of 24 bits.
	var request struct {
		name    [16]byte
		address syscall.RawSockaddrInet4
		_       [8]byte
	}
	copy(request.name[:], "lo:peers")
	request.address.Family = syscall.AF_INET
	request.address.Addr = peerNet
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(s), syscall.SIOCSIFADDR, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatalf("add addresses to the loopback device: %v", errno)
	}
}
