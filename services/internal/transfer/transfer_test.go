package transfer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCopyMovesEveryOctet(t *testing.T) {
	for _, size := range []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 3*bufferSize + 7} {
		want := strings.Repeat("x", size)
		var got bytes.Buffer
		n, err := Copy(&got, strings.NewReader(want))
		if err != nil || n != int64(size) || got.String() != want {
			t.Errorf("%d octets: got %d of them, %v", size, n, err)
		}
	}
}

func TestCopyTellsWhatBroke(t *testing.T) {
	broken := errors.New("broken")
	n, err := Copy(io.Discard, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
	if n != 3 || !errors.Is(err, broken) {
		t.Errorf("got %d, %v", n, err)
	}
}

// Most of what a node allocated for a message was buffers of io.Copy.
func TestCopyAllocatesNoBuffer(t *testing.T) {
	message := strings.Repeat("linha de texto\r\n", 1000)
	var src strings.Reader
	if n := testing.AllocsPerRun(100, func() {
		src.Reset(message)
		Copy(io.MultiWriter(io.Discard), &src)
	}); n > 6 {
		t.Errorf("%.0f allocations", n)
	}
	bytes := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			src.Reset(message)
			Copy(io.Discard, &src)
		}
	}).AllocedBytesPerOp()
	if bytes > bufferSize/2 {
		t.Errorf("%d octets for each copy", bytes)
	}
}
