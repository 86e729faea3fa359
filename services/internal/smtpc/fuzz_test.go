package smtpc

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpd/command"
)

// memory is a connection to a server whose words are known beforehand.
type memory struct {
	says io.Reader
	got  bytes.Buffer
}

func (m *memory) Read(p []byte) (int, error)       { return m.says.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.got.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (m *memory) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// bdat reads what a client sent by BDAT and returns the message, as RFC 3030
// has a server read it.
func bdat(t testing.TB, wire []byte, size int) []byte {
	t.Helper()
	var message []byte
	for {
		line, rest, _ := bytes.Cut(wire, []byte("\r\n"))
		cmd, err := command.Parse(line)
		n := int(cmd.Size)
		if err != nil || cmd.Verb != command.Bdat || n > len(rest) || n > size || !cmd.Last && n != size {
			t.Fatalf("chunk %q with %d octets behind it, size %d: %v", line, len(rest), size, err)
		}
		message, wire = append(message, rest[:n]...), rest[n:]
		if cmd.Last {
			if len(wire) > 0 {
				t.Fatalf("%q behind the last chunk", wire)
			}
			return message
		}
	}
}

// Whatever the message and the size of chunks: a binary one arrives as it is,
// a text with lines that end in CRLF alone.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{"", "a\n.\nb", "\r\n.\r\n", "\r", "BDAT 3 LAST\r\nabc", "x\r\n.y\r\n", strings.Repeat("z", 70)} {
		f.Add(s, 1, false)
		f.Add(s, 3, true)
	}
	f.Fuzz(func(t *testing.T, message string, size int, text bool) {
		size = max(1, size&0xff)
		m := &memory{says: strings.NewReader("220 x\r\n250-x\r\n250-CHUNKING\r\n250 BINARYMIME\r\n" +
			strings.Repeat("250 Ok\r\n", 3+2*(len(message)+2)))}
		c, err := Open(t.Context(), m, Options{Hello: "a.test"})
		if err != nil {
			t.Fatal(err)
		}
		env := envelope(t, "", "b@x.test")
		if !text {
			env.Body = Binary
		}
		m.got.Reset()
		res := c.Send(t.Context(), env, strings.NewReader(message), SendOptions{Chunking: true, ChunkSize: size})
		if !res[0].Delivered() {
			t.Fatalf("%q: %v", message, told(res))
		}
		_, wire, _ := bytes.Cut(m.got.Bytes(), []byte("RCPT TO:<b@x.test>\r\n"))
		want := message
		if text {
			want = strings.TrimSuffix(undotted(dotted(t, message, false)), ".\r\n")
		}
		if got := string(bdat(t, wire, size)); got != want {
			t.Fatalf("%q arrived as %q, want %q", message, got, want)
		}
	})
}

// undotted takes the dots off again that DATA has put in front of lines.
func undotted(wire string) string {
	lines := strings.SplitAfter(wire, "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "..") {
			lines[i] = line[1:]
		}
	}
	return strings.Join(lines, "")
}

// Whatever a server says: the client comes to an end, claims a delivery only
// where it heard 2xx, keeps to commands, and is done with a server that broke
// the protocol.
func FuzzServer(f *testing.F) {
	const ehlo = "220 x\r\n250-x\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-AUTH PLAIN\r\n250 PIPELINING\r\n"
	for _, s := range []string{
		ehlo + "235 Ok\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n250 Ok\r\n", ehlo + "334 \r\n501 No\r\n250 Ok\r\n550-5.1.1 a\r\n550 b\r\n250 Ok\r\n",
		ehlo + "535 No\r\n421 Bye\r\n", "554 No\r\n", "220 x\r\n500 What\r\n250 x\r\n", "220-\x1b[0m\r\n220 \xff\n250 x\n", ehlo + "250 Ok\r\n250 Ok\r\n250 Ok\r\n452 Full\r\n250 Ok\r\n",
	} {
		for mode := range byte(8) {
			f.Add([]byte(s), mode)
		}
	}
	f.Fuzz(func(t *testing.T, says []byte, mode byte) {
		m := &memory{says: bytes.NewReader(says)}
		opt := Options{Hello: "a.test", AuthInClear: true, Trace: func(l Line) {
			if strings.ContainsAny(l.Text, "\x00\x1b\r\n") {
				t.Fatalf("shown: %q", l.Text)
			}
		}}
		if mode&1 != 0 {
			opt.Protocol = LMTP
		}
		c, err := Open(t.Context(), m, opt)
		if err != nil {
			return
		}
		c.Auth(t.Context(), "ana", "ana") // either way
		env := envelope(t, "", "a@x.test", "b@x.test")
		for c.Usable() {
			res := c.Send(t.Context(), env, strings.NewReader("Oi\r\n.\r\n"), SendOptions{Chunking: mode&2 != 0, ChunkSize: 3, Pipelined: mode&4 != 0})
			for _, r := range res {
				if r.Delivered() && (r.Reply.Code/100 != 2 || r.Err != nil) || r.Err == nil && r.Reply.Code == 0 || r.Permanent() && r.Reply.Code < 500 {
					t.Fatalf("%q: %+v", says, r)
				}
				if r.Err != nil && c.Usable() {
					t.Fatalf("%q: usable after %v", says, r.Err)
				}
			}
		}
	})
}

// Row 31: whatever address is let through, our server reads the command as the
// same address.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{`ana@aurora.test`, `"a> X=1 <b"@d.test`, `"x@y z"@d.test`, `joão@d.test`, `postmaster`, `"\\\""@[198.18.1.25]`} {
		f.Add(s, "Q+20", "rfc822;a+40b")
	}
	f.Fuzz(func(t *testing.T, address, envID, orcpt string) {
		a, err := mailaddr.Parse(address)
		if err != nil {
			return
		}
		c := &Client{ext: everything}
		for _, line := range []string{c.mailLine(Envelope{From: a, EnvID: envID}), c.rcptLine(Recipient{To: a, ORcpt: orcpt})} {
			if strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("%q", line)
			}
			if cmd, err := command.Parse([]byte(line)); err == nil && cmd.Path != a {
				t.Fatalf("%q reads as %+v, want %+v", line, cmd.Path, a)
			}
		}
		if cmd, err := command.Parse([]byte(c.rcptLine(Recipient{To: a}))); err != nil || cmd.Path != a || len(cmd.Params) > 0 {
			t.Fatalf("%q reads as %+v, %v", a, cmd, err)
		}
	})
}
