package smtpc

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpd/command"
)

// The rows of behaviour.md §6 that concern a client. Row 20 is in
// dialogue_test.go, row 17 in tls_test.go with row 21.

// near are what some server takes for the end of a message.
var near = []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\n", "\r\n\x00.\r\n", "\r\n.\r\n"}

// Whatever line ends a server believes in, it sees one message.
func TestRow1NothingSmuggledOut(t *testing.T) {
	anyEnd := regexp.MustCompile(`(^|\r\n|\n|\r)\.(\r\n|\n|\r)`)
	for _, end := range near {
		for _, message := range []string{"innocent" + end + "MAIL FROM:<evil@x.test>\r\n", end[1:] + "evil", end, strings.Repeat(end, 3)} {
			wire := dotted(t, message, false)
			if at := anyEnd.FindAllStringIndex(wire, -1); len(at) != 1 || at[0][1] != len(wire) {
				t.Errorf("%q: %q ends at %v", message, wire, at)
			}
		}
	}
}

// The internal hop and BDAT obey the same line rules: lines of text that they
// carry may be relayed by DATA.
func TestRow2LinesAreCleanByLMTPAndBDAT(t *testing.T) {
	for _, proto := range []Protocol{SMTP, LMTP} {
		for _, chunked := range []bool{false, true} {
			for _, end := range near {
				wire := sentOver(t, proto, "a"+end+"b", SendOptions{Chunking: chunked, ChunkSize: 3})
				if bare := strings.ReplaceAll(wire, "\r\n", ""); strings.ContainsAny(bare, "\r\n") {
					t.Errorf("%s, chunks %t, %q: %q", proto, chunked, end, wire)
				}
			}
		}
	}
}

// sentOver returns what a server that agrees to everything got of one message,
// chunks put together.
func sentOver(t *testing.T, proto Protocol, message string, opt SendOptions) string {
	t.Helper()
	client, server := net.Pipe()
	got := make(chan string, 1)
	go func() {
		defer server.Close()
		got <- agreeable(server)
	}()
	c, err := Open(t.Context(), client, Options{Protocol: proto, Hello: "mx1.aurora.test"})
	if err != nil {
		t.Fatal(err)
	}
	env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
	if res := c.Send(t.Context(), env, strings.NewReader(message), opt); !res[0].Delivered() {
		t.Errorf("%q: %v", message, told(res))
	}
	c.Close()
	return <-got
}

// agreeable is a server that says yes.
func agreeable(s net.Conn) (message string) {
	r := bufio.NewReader(s)
	io.WriteString(s, "220 x\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return message
		}
		cmd, _ := command.Parse([]byte(strings.TrimSuffix(line, "\r\n")))
		switch cmd.Verb {
		case command.Ehlo, command.Lhlo:
			io.WriteString(s, "250-x\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250 CHUNKING\r\n")
			continue
		case command.Data:
			io.WriteString(s, "354 Go\r\n")
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
				message += line
			}
			message = strings.TrimSuffix(message, ".\r\n")
		case command.Bdat:
			b := make([]byte, cmd.Size)
			if _, err := io.ReadFull(r, b); err != nil {
				return message
			}
			message += string(b)
		}
		io.WriteString(s, "250 Ok\r\n")
	}
}

// After every failure the next transaction begins on a clean table.
func TestRow3NothingIsLeftOfAFailedTransaction(t *testing.T) {
	const reset, again = "C: RSET\nS: 250 Ok\n", toBruno + "D: \"BDAT 4 LAST\\r\\nOi\\r\\n\"\nS: 250 Ok\n"
	for name, script := range map[string]string{
		"MAIL":       "C: MAIL FROM:<ana@aurora.test>\nS: 550 5.7.1 No\n",
		"RCPT":       "C: MAIL FROM:<ana@aurora.test>\nS: 250 Ok\nC: RCPT TO:<bruno@boreal.test>\nS: 550 5.1.1 No\n" + reset,
		"chunk":      toBruno + "D: \"BDAT 2\\r\\nOi\"\nS: 452 4.3.1 No\n" + reset,
		"last chunk": toBruno + "D: \"BDAT 2\\r\\nOi\"\nS: 250 Ok\nD: \"BDAT 2 LAST\\r\\n\\r\\n\"\nS: 554 5.6.0 No\n" + reset,
	} {
		conn, finish := converse(t, chunking+script+again)
		c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test"})
		if err != nil {
			t.Fatal(err)
		}
		env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
		first := c.Send(t.Context(), env, strings.NewReader("Oi\r\n"), SendOptions{Chunking: true, ChunkSize: 2})
		second := c.Send(t.Context(), env, strings.NewReader("Oi\r\n"), SendOptions{Chunking: true})
		if first[0].Delivered() || !second[0].Delivered() {
			t.Errorf("%s: got %v, then %v", name, told(first), told(second))
		}
		finish()
	}
}

// What follows the reply to STARTTLS in clear may be somebody else's.
func TestRow5OctetsBehindStartTLSAreRefused(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		io.WriteString(server, "220 mx\r\n")
		r.ReadString('\n')
		io.WriteString(server, "250-mx\r\n250 STARTTLS\r\n")
		r.ReadString('\n')
		io.WriteString(server, "220 Go\r\n250 injected\r\n")
		io.Copy(io.Discard, r)
	}()
	c, err := Open(t.Context(), client, Options{Hello: "a.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(t.Context(), noVerify()); !errors.Is(err, ErrInjected) {
		t.Errorf("got %v", err)
	}
}

// An endless reply is read no further than the bounds, in AUTH as anywhere.
func TestRow6EndlessRepliesAreCut(t *testing.T) {
	const most = maxReplyLines*maxReplyLine + 4*maxReplyLine
	for _, script := range []string{"", hello, hello + "S: 250-x\nS: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5h\n"} {
		for _, text := range []string{strings.Repeat("3", 100), "220-" + strings.Repeat("x", maxReplyLine-10) + "\r\n"} {
			client, server := net.Pipe()
			wrote := make(chan int, 1)
			go func() {
				defer server.Close()
				n, err := 0, play(server, bufio.NewReader(server), script)
				for err == nil {
					var m int
					m, err = io.WriteString(server, text)
					n += m
				}
				wrote <- n
			}()
			c, err := Open(t.Context(), client, Options{Protocol: Submission, Hello: "mx1.aurora.test", AuthInClear: true})
			if err == nil {
				err = c.Auth(t.Context(), "ana", "ana")
			}
			if !errors.Is(err, ErrReplyTooLong) {
				t.Errorf("%.10s: got %v", text, err)
			}
			if n := <-wrote; n > most {
				t.Errorf("%.10s: %d octets were read", text, n)
			}
		}
	}
}

// Control bytes reach neither a command nor, from a reply, a report or a
// terminal.
func TestRow8ControlBytesStayWhereTheyAre(t *testing.T) {
	conn, _ := converse(t, "S: 220 mx1.boreal.test\nHANG")
	if _, err := Open(t.Context(), conn, Options{Hello: "a.test\r\nQUIT"}); err == nil {
		t.Error("EHLO with a line end in it was sent")
	}
	for _, param := range []string{"x y", "x\r\nQUIT", "\t", "", strings.Repeat("x", 1001)} {
		if isParam(param) {
			t.Errorf("%q passes as a parameter", param)
		}
	}
	for name, test := range map[string]struct {
		from   mailaddr.Address
		script string
		want   string
	}{
		"local part": {mailaddr.Address{Local: "a\r\nDATA", Domain: "x.test"}, `C: MAIL FROM:<"a??DATA"@x.test>` + "\nS: 550 No", "mail: 550 No"},
		"domain": {mailaddr.Address{Local: "a", Domain: "x.test>\r\nDATA"}, "",
			`mail! line end within a command: "MAIL FROM:<a@x.test>\r\nDATA>"`},
	} {
		conn, finish := converse(t, hello+"S: 250 x\n"+test.script)
		c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test"})
		if err != nil {
			t.Fatal(err)
		}
		res := c.Send(t.Context(), Envelope{From: test.from, To: []Recipient{{To: addr(t, "b@x.test")}}}, strings.NewReader(""), SendOptions{})
		if d := cmp.Diff([]string{test.want}, told(res)); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
		finish()
	}
	var shown []string
	conn, finish := converse(t, "S: 554-\x1b[31mred\x9b\nS: 554 \x00\u2028ç")
	_, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test", Trace: func(l Line) { shown = append(shown, l.Text) }})
	if err == nil || err.Error() != "banner: 554  [31mred\ufffd /   ç" {
		t.Errorf("got %q", err)
	}
	if d := cmp.Diff([]string{`554-\x1b[31mred` + "\ufffd", `554 \x00\u2028ç`}, shown); d != "" {
		t.Errorf("shown (-want +got)\n%s", d)
	}
	finish()
}

// AUTH that a server cuts short or answers with garbage fails that login alone.
func TestRow12AbortedAUTHFailsCleanly(t *testing.T) {
	starts := []string{
		"", "S: 334 \n", "S: 334 !!not base64!!\n", "S: 334 VXNlcm5hbWU6\nC: YW5h\n",
		"S: 334 VXNlcm5hbWU6\nC: YW5h\nS: 999 What\n", "S: 334 VXNlcm5hbWU6\nC: YW5h\nS: 334 UGFzc3dvcmQ6\nC: c2VncmVkbw==\n",
	}
	for i := range 1000 {
		conn, _ := converse(t, hello+"S: 250-x\nS: 250 AUTH LOGIN\nC: AUTH LOGIN\n"+starts[i%len(starts)])
		c, err := Open(t.Context(), conn, Options{Protocol: Submission, Hello: "mx1.aurora.test", AuthInClear: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Auth(t.Context(), "ana", "segredo"); err == nil || c.Usable() || strings.Contains(err.Error(), "c2Vn") {
			t.Fatalf("%q: got %v, usable %t", starts[i%len(starts)], err, c.Usable())
		}
	}
}

// The case of a local part is the receiver's business.
func TestRow19LocalPartKeepsItsCase(t *testing.T) {
	dialogue{
		env: func(t testing.TB) Envelope { return envelope(t, "Ana.Maria@aurora.test", "BRUNO@boreal.test") },
		script: hello + `
			S: 250 x
			C: MAIL FROM:<Ana.Maria@aurora.test>
			S: 250 Ok
			C: RCPT TO:<BRUNO@boreal.test>
			S: 550 5.1.1 No
			C: RSET
			S: 250 Ok`,
		want: []string{"rcpt: 550 5.1.1 No"}, usable: true,
	}.run(t)
}

var everything = map[string]string{
	"SIZE": "", "8BITMIME": "", "BINARYMIME": "", "CHUNKING": "", "SMTPUTF8": "", "DSN": "", "PIPELINING": "",
}

// What we send reads back as the address and the parameters that were meant.
func TestRow31AddressesCannotSmuggleParameters(t *testing.T) {
	c := &Client{ext: everything}
	for _, a := range []mailaddr.Address{
		{Local: `a> X=1 <b`, Domain: "d.test"}, {Local: "x@y z", Domain: "d.test"}, {Local: `">><"`, Domain: "d.test"},
		{Local: `a\`, Domain: "d.test"}, {Local: "> SIZE=9 <b", Domain: "d.test"}, {},
	} {
		checkCommand(t, c.mailLine(Envelope{From: a, Size: 7, Body: Binary, Ret: "FULL", EnvID: "Q+20"}), a,
			[]command.Param{{Key: "SIZE", Value: "7", HasValue: true}, {Key: "BODY", Value: "BINARYMIME", HasValue: true},
				{Key: "RET", Value: "FULL", HasValue: true}, {Key: "ENVID", Value: "Q+20", HasValue: true}})
		if a != (mailaddr.Address{}) {
			checkCommand(t, c.rcptLine(Recipient{To: a, Notify: "NEVER", ORcpt: "rfc822;x"}), a,
				[]command.Param{{Key: "NOTIFY", Value: "NEVER", HasValue: true}, {Key: "ORCPT", Value: "rfc822;x", HasValue: true}})
		}
	}
}

// checkCommand reads a command as our server does.
func checkCommand(t testing.TB, line string, want mailaddr.Address, params []command.Param) {
	t.Helper()
	cmd, err := command.Parse([]byte(line))
	if err != nil || cmd.Path != want || !cmp.Equal(cmd.Params, params) || bytes.ContainsAny([]byte(line), "\r\n") {
		t.Errorf("%q reads as %+v %v, %v; want %+v %v", line, cmd.Path, cmd.Params, err, want, params)
	}
}
