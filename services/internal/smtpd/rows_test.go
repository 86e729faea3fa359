package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
)

// The tests here are named after rows of behaviour §6. Rows 1 and 2 are in
// smuggle_test.go, 4 and 23 in heap_test.go. Rows 1, 2, 6 and 7 are tested octet by
// octet in package wire, too, and row 3 for every command by
// TestCommandTimesState.

// What fails leaves nothing of its transaction behind: neither RCPT nor DATA nor
// BDAT goes on with it.
func TestRow3_NothingIsLeftOfWhatFailed(t *testing.T) {
	t.Parallel()
	const rejected = "RCPT TO:<rejeita-dados@boreal.test>\r\n"
	for name, s := range map[string]struct{ script, codes string }{
		"refused by the policy behind DATA": {from + rejected + "DATA\r\n.\r\n", "250 250 354 554"},
		"bare LF in DATA":                   {from + to + "DATA\r\na\nb\r\n.\r\n", "250 250 354 500"},
		"too large by DATA":                 {from + to + "DATA\r\n" + strings.Repeat("x", 300) + "\r\n.\r\n", "250 250 354 552"},
		"a header too large":                {from + to + "DATA\r\nA: " + strings.Repeat("x", 100) + "\r\n.\r\n", "250 250 354 552"},
		"refused by the policy behind BDAT": {from + rejected + chunk("a\r\n", " LAST"), "250 250 554"},
		"bare LF in a chunk":                {from + to + chunk("a\nb", ""), "250 250 500"},
		"bare LF in a last chunk":           {from + to + chunk("a\nb", " LAST"), "250 250 500"},
		"too large by BDAT":                 {from + to + chunk(strings.Repeat("x", 300), ""), "250 250 552"},
		"BDAT that is malformed":            {from + to + chunk("a", "") + chunk("b", " FIRST"), "250 250 250 501"},
		"RSET between chunks":               {from + to + chunk("a", "") + "RSET\r\n", "250 250 250 250"},
		"MAIL refused":                      {"MAIL FROM:<recusado@b>\r\n", "550"},
		"MAIL too large":                    {"MAIL FROM:<a@b> SIZE=1000\r\n", "552"},
		"VRFY":                              {"VRFY ana\r\n", "252"},
		"VRFY that is malformed":            {"VRFY\r\n", "501"},
		"a line too long":                   {from + to + "RSET\r\nNOOP " + strings.Repeat("x", 5000) + "\r\n", "250 250 250 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &memory{}
			c, in := pipe(t.Context(), t, smtpd.Config{Backend: m, Chunking: true, Limits: smtpd.Limits{MessageSize: 200, Header: 50}})
			c.SetDeadline(time.Now().Add(10 * time.Second))
			expect(t, in, "220")
			go io.WriteString(c, ehlo+s.script+to+"DATA\r\n"+chunk("QUIT\r\n", " LAST")+from+to+"DATA\r\nSubject: second\r\n.\r\nQUIT\r\n") // it ends with the connection
			expect(t, in, append([]string{"250"}, strings.Fields(s.codes)...)...)
			expect(t, in, "503", "503", "503", "250", "250", "354", "250", "221")
			messages := m.stored()
			if last := messages[len(messages)-1]; last.text != "Subject: second\r\n" || len(last.t.Rcpts) != 1 {
				t.Errorf("stored %+v", last)
			}
		})
	}
}

// STARTTLS of one session is none of another's.
func TestRow15_TLSBelongsToTheSession(t *testing.T) {
	t.Parallel()
	addr := serve(t, smtpd.Config{TLS: testTLS(), Backend: &memory{}})
	offered := func(c net.Conn, in *bufio.Reader) bool {
		write(t, c, ehlo)
		for found := false; ; {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if found = found || strings.HasSuffix(line, "STARTTLS\r\n"); line[3] == ' ' {
				return found
			}
		}
	}
	first, in1 := dial(t, addr)
	second, in2 := dial(t, addr)
	expect(t, in1, "220")
	expect(t, in2, "220")
	write(t, first, ehlo+"STARTTLS\r\n")
	expect(t, in1, "250", "220")
	secure := tls.Client(first, clientTLS())
	if offered(secure, bufio.NewReader(secure)) {
		t.Error("STARTTLS is offered inside of TLS")
	}
	third, in3 := dial(t, addr)
	expect(t, in3, "220")
	if !offered(second, in2) || !offered(third, in3) {
		t.Error("one session's STARTTLS hides it from others")
	}
}

// LMTP says for each recipient what became of it, whatever others hear, and a
// null sender is a sender like any.
func TestRow20_PartialLMTP(t *testing.T) {
	t.Parallel()
	for _, sender := range []string{"<>", "<ana@aurora.test>"} {
		for _, message := range []string{"DATA\r\nhi\r\n.\r\n", chunk("h", "") + chunk("i", " LAST")} {
			m := &memory{}
			c, in := pipe(t.Context(), t, smtpd.Config{Proto: smtpd.LMTP, Backend: m, Chunking: true})
			c.SetDeadline(time.Now().Add(10 * time.Second))
			go io.WriteString(c, "LHLO a\r\nMAIL FROM:"+sender+"\r\n"+to+"RCPT TO:<rejeita-dados@boreal.test>\r\nRCPT TO:<ninguem@boreal.test>\r\n"+to+message+"QUIT\r\n") // it ends with the connection
			expect(t, in, "220", "250", "250", "250", "250", "550", "250", map[bool]string{true: "354", false: "250"}[message[0] == 'D'])
			expect(t, in, "250", "554", "250", "221")
			if got := m.stored(); len(got) != 1 || got[0].text != "hi\r\n" || len(got[0].t.Rcpts) != 3 {
				t.Errorf("%q: stored %+v", message, got)
			}
		}
	}
}

// One line that is larger than a message may be, without end.
func TestRow7_HugeLineInData(t *testing.T) {
	t.Parallel()
	m := &memory{}
	addr := serve(t, smtpd.Config{Backend: m, Limits: smtpd.Limits{MessageSize: 1 << 20}})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(conn)
	begin(t, conn, in)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.CopyN(conn, endless{}, 64<<20) // the server ends it
	}()
	if got := expect(t, in, "552"); !strings.HasPrefix(got, "552 5.3.4 ") {
		t.Errorf("got %q", got)
	}
	expectEOF(t, in)
	conn.Close()
	<-done
	if len(m.stored()) != 0 {
		t.Error("a message was stored")
	}
}

// A message has a largest size even when nobody set one.
func TestRow7_DefaultSizeLimit(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	write(t, c, ehlo)
	expect(t, in, "250")
	write(t, c, "MAIL FROM:<a@b> SIZE=26214401\r\n")
	expect(t, in, "552")
}

// Control characters get into no argument, and out of no reply.
func TestRow8_ControlCharacters(t *testing.T) {
	t.Parallel()
	for _, char := range []string{"\x00", "\x01", "\t", "\v", "\f", "\r", "\x1b", "\x7f", "\u0085", "\u009b"} {
		for _, command := range []string{
			"EHLO a%sb", "HELO %s", "MAIL FROM:<a%s@b>", `MAIL FROM:<"a%s"@b>`, "MAIL FROM:<a@b%s>", "MAIL FROM:<a@b>%s", "MAIL FROM:<a@b> AUTH=a%s",
			"MAIL FROM:<a@b> ENVID=a%s", "MAIL FROM:a@b%s", "RCPT TO:<a%s@b>", "RCPT TO:<a@b> ORCPT=rfc822;a%s", "RCPT TO:<a@b> ORCPT=utf-8;a%s",
			"VRFY a%s", "BDAT %s1", "BDAT 1%s", "BDAT 0 %sLAST", "HELP %s", "NOOP %s", "AUTH PLAIN%s", "AUTH PLAIN a%s",
		} {
			line := fmt.Sprintf(command, char)
			t.Run(fmt.Sprintf("%q", line), func(t *testing.T) {
				t.Parallel()
				c, in := pipe(t.Context(), t, smtpd.Config{DSN: true, SMTPUTF8: true, Chunking: true, Proto: smtpd.Submission, AuthMechanisms: []string{"PLAIN"}})
				c.SetDeadline(time.Now().Add(10 * time.Second))
				expect(t, in, "220")
				write(t, c, ehlo)
				expect(t, in, "250")
				if strings.HasPrefix(line, "RCPT") {
					write(t, c, from)
					expect(t, in, "250")
				}
				write(t, c, line+"\r\n")
				if got := expect(t, in, "501"); strings.Contains(got, char) {
					t.Errorf("the reply %q gives it back", got)
				}
			})
		}
	}
}

func TestRow9_OddAddresses(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{Proto: smtpd.LMTP, SMTPUTF8: true, Limits: smtpd.Limits{Errors: 1000}})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	for _, line := range []string{"LHLO a\r\n", "MAIL FROM:<> SMTPUTF8\r\n"} {
		write(t, c, line)
		expect(t, in, "250")
	}
	for _, path := range []string{
		`<""@d>`, "<@d>", "<a@>", "<@>", `<">`, `<"@d>`, `<"\>`, `<"\">`, "<a\xff@d>", "<a@\xff>", "<>>>", "<<a@b>>", "<a@b", "a@b>", "<a@b>>",
		"<" + strings.Repeat("a", 65) + "@d>", "<a@" + strings.Repeat("d", 64) + ">", "<a@" + strings.Repeat("d.", 150) + "d>",
		"<" + strings.Repeat("@d,", 90) + "@d:a@b>", "<" + strings.Repeat(`"`, 400), "<@d:>", "<@:a@b>", "<@d,a@b>",
	} {
		write(t, c, "RCPT TO:"+path+"\r\n")
		expect(t, in, "501")
	}
	write(t, c, "RCPT TO:<josé@d>\r\n")
	expect(t, in, "250")
}

// Garbage in AUTH, and going away in the middle of it, harm nobody else.
func TestRow12_BrokenAuth(t *testing.T) {
	t.Parallel()
	addr := serve(t, smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: sasl.Mechanisms, Backend: &memory{},
		Limits: smtpd.Limits{Errors: 1000, Connections: 5000, PerClient: 5000}})
	var wg sync.WaitGroup
	for worker := range 10 {
		wg.Go(func() {
			for i := range 100 {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				garbage := []string{"====", "AA", "\x00", strings.Repeat("A", 3000), base64.StdEncoding.EncodeToString([]byte("a\x00b")), ""}[(worker+i)%6]
				mechanism := sasl.Mechanisms[i%len(sasl.Mechanisms)]
				_, _ = fmt.Fprintf(conn, "EHLO a\r\nAUTH %s\r\n%s\r\nAUTH PLAIN\r\n%s", mechanism, garbage, garbage) // it may be gone already
				conn.Close()
			}
		})
	}
	wg.Wait()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(conn)
	write(t, conn, "EHLO a\r\nAUTH PLAIN AGFuYQBhbmE=\r\n")
	expect(t, in, "220", "250", "235")
}

// Names of users are text: no path, no pattern, no SQL comes of them.
func TestRow13_UserNamesReachTheBackendAsTheyAre(t *testing.T) {
	t.Parallel()
	m := &memory{}
	c, in := pipe(t.Context(), t, smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: []string{"PLAIN"}, Backend: m, Limits: smtpd.Limits{AuthFailures: 100}})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	write(t, c, ehlo)
	expect(t, in, "250")
	for name, asked := range map[string]bool{"../../etc": true, "*": true, "%s": true, "a\nb": false, "a\x7f": false, "": false, "\xff": false, strings.Repeat("x", 300): false} {
		m.log = nil
		write(t, c, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+name+"\x00wrong"))+"\r\n")
		expect(t, in, "535")
		told := "auth " + name + " " // refused: without an account
		if got := fmt.Sprintf("%q", m.log); asked && got != fmt.Sprintf("%q", []string{"secret " + name, told}) || !asked && got != fmt.Sprintf("%q", []string{told}) {
			t.Errorf("%q: the backend was asked %s", name, got)
		}
	}
}

// A local part keeps its case, and what needs quotes, up to the backend; whose
// mailbox it is, the backend knows.
func TestRow19_LocalPartKeepsItsCase(t *testing.T) {
	t.Parallel()
	m := &memory{}
	c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	go io.WriteString(c, ehlo+"MAIL FROM:<AnA.M@Aurora.Test>\r\nRCPT TO:<Bruno@BOREAL.test>\r\nRCPT TO:<\"B x\"@boreal.test>\r\nRCPT TO:<PostMaster>\r\nQUIT\r\n") // it ends with the connection
	expect(t, in, "250", "250", "250", "250", "250", "221")
	want := []string{"mail <AnA.M@aurora.test>", "rcpt <Bruno@boreal.test>", `rcpt <"B x"@boreal.test>`, "rcpt <PostMaster>"}
	if got := fmt.Sprintf("%q", m.log); got != fmt.Sprintf("%q", want) {
		t.Errorf("the backend was asked %s, want %q", got, want)
	}
}

// Nothing but a space stands between ">" and parameters, and what is inside of
// quotes is neither. See testdata/syntax.dialog and addresses.dialog, too.
func TestRow31_AddressesSmuggleNothing(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{ // "" where it is 501
		"<>>>": "", "<>>>>": "", "<a@b>>": "", "<a@b>SIZE=9": "", "<a@b><c@d>": "", `<"a" b@c>`: "", `<"a"@b" X=1 "@c>`: "", `<a"b"@c>`: "",
		"<a@b> X=1 <c@d>": "", "<a @b>": "", `<"x@y z@d>`: "", `"a> X=1 <b"@d>`: "",
		`<"a> X=1 <b"@d>`:  `"a> X=1 <b"@d 0`,
		`<"x@y z"@d>`:      `"x@y z"@d 0`,
		`<"a\"> X=1"@d>`:   `"a\"> X=1"@d 0`,
		`<"a>"@d> SIZE=7`:  `"a>"@d 7`,
		`<"a\\"@d> SIZE=8`: `"a\\"@d 8`,
	} {
		m := &memory{}
		c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
		c.SetDeadline(time.Now().Add(10 * time.Second))
		expect(t, in, "220")
		go io.WriteString(c, ehlo+"MAIL FROM:"+path+"\r\n"+to+"DATA\r\n.\r\nQUIT\r\n") // it ends with the connection
		if want == "" {
			expect(t, in, "250", "501", "503", "503", "500", "221")
			continue
		}
		expect(t, in, "250", "250", "250", "354", "250", "221")
		sent := m.stored()[0].t
		if got := fmt.Sprint(sent.From, " ", sent.Params.Size); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// Session tickets are off on port 25.
func TestRow21_NoSessionTickets(t *testing.T) {
	t.Parallel()
	for proto, want := range map[smtpd.Protocol]bool{smtpd.SMTP: false, smtpd.Submission: true} {
		addr := serve(t, smtpd.Config{Proto: proto, TLS: testTLS(), Backend: &memory{}})
		cfg := clientTLS()
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		resumed := false
		for range 2 {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			write(t, conn, ehlo)
			expect(t, in, "220", "250")
			write(t, conn, "STARTTLS\r\n")
			expect(t, in, "220")
			secure := tls.Client(conn, cfg)
			in = bufio.NewReader(secure)
			write(t, secure, "QUIT\r\n")
			expect(t, in, "221")
			resumed = secure.ConnectionState().DidResume
			conn.Close()
		}
		if resumed != want {
			t.Errorf("%s: resumed is %v", proto, resumed)
		}
	}
}

// What was sent in plain text behind STARTTLS is not run, however it comes.
func TestRow5_PlaintextBehindSTARTTLS(t *testing.T) {
	t.Parallel()
	m := &memory{}
	conn, err := net.Dial("tcp", serve(t, smtpd.Config{TLS: testTLS(), Backend: m}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	write(t, conn, ehlo)
	expect(t, in, "220", "250")
	write(t, conn, "STARTTLS\r\n")
	expect(t, in, "220")
	write(t, conn, smuggled) // read by the handshake, which it spoils
	if rest, _ := io.ReadAll(in); strings.Contains(string(rest), "250") {
		t.Errorf("got %q", rest)
	}
	if len(m.stored()) != 0 || len(m.log) != 0 {
		t.Errorf("the backend was asked %q", m.log)
	}
}
