package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/smtpd"
)

// talk plays lines against a server and returns what was recorded.
func talk(t *testing.T, cfg smtpd.Config, lines ...string) []event.Record {
	t.Helper()
	cfg.Events = event.NewLog("mx1.boreal.test", 0)
	cfg.Backend = &memory{}
	conn, err := net.Dial("tcp", serve(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	expect(t, in, "220")
	for _, line := range lines {
		text, code, _ := strings.Cut(line, " => ")
		write(t, conn, text+"\r\n")
		if code != "" {
			expect(t, in, strings.Fields(code)...)
		}
	}
	expectEOF(t, in)
	return recorded(t, cfg.Events)
}

// recorded waits for the end of a connection and returns all that was recorded.
func recorded(t *testing.T, log *event.Log) []event.Record {
	t.Helper()
	var all []event.Record
	for len(all) == 0 || all[len(all)-1].Text != event.Close {
		var last uint64
		if len(all) > 0 {
			last = all[len(all)-1].Seq
		}
		batch, err := log.Wait(t.Context(), last, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, batch.Records...)
	}
	return all
}

func show(r event.Record) string {
	s := strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Kind, r.Dir, r.Text))
	if r.Queue != "" {
		s += " queue=" + r.Queue
	}
	if r.Message != "" {
		s += " message=" + r.Message
	}
	for _, a := range r.Meta {
		if a.Key != event.Local && a.Key != event.Remote {
			s += fmt.Sprintf(" %s=%q", a.Key, a.Value)
		}
	}
	return s
}

func TestEvents_OfOneMessage(t *testing.T) {
	t.Parallel()
	got := talk(t, smtpd.Config{},
		"HELO pc.aurora.test => 250",
		"MAIL FROM:ana@aurora.test => 250",
		"RCPT TO:<bruno@boreal.test> => 250",
		"DATA => 354",
		"Subject: "+strings.Repeat("x", 300),
		"message-ID:",
		" <1@pc.aurora.test>",
		"",
		"secret body",
		". => 250",
		"QUIT => 221",
	)
	want := []string{
		`conn  open proto="smtp" role="server"`,
		`line > 220 mx1.boreal.test ESMTP Correio`,
		`line < HELO pc.aurora.test`,
		`line > 250 mx1.boreal.test Hello pc.aurora.test [127.0.0.1]`,
		`line < MAIL FROM:ana@aurora.test note="no-brackets"`,
		`line > 250 2.1.0 Sender <ana@aurora.test> ok`,
		`line < RCPT TO:<bruno@boreal.test>`,
		`line > 250 2.1.5 Recipient <bruno@boreal.test> ok`,
		`line < DATA`,
		`line > 354 Start mail input; end with <CRLF>.<CRLF>`,
		`line < Subject: ` + strings.Repeat("x", 191),
		`line < message-ID:`,
		`line <  <1@pc.aurora.test>`,
		`line < (message: 360 octets) queue=ABCDEF0123 message=1@pc.aurora.test summary="message-size(360)"`,
		`line > 250 2.0.0 Ok: queued as ABCDEF0123 queue=ABCDEF0123`,
		`line < QUIT`,
		`line > 221 2.0.0 mx1.boreal.test closing connection; good-bye`,
		`conn  close reason="quit"`,
	}
	compareRecords(t, got, want)
	conn := got[0].Conn
	for _, r := range got {
		if r.Conn != conn || conn == "" || r.Node != "mx1.boreal.test" {
			t.Errorf("%+v is of connection %q, node %q", r, r.Conn, r.Node)
		}
	}
	if local, remote := got[0].Meta.Get(event.Local), got[0].Meta.Get(event.Remote); !strings.HasPrefix(local, "127.0.0.1:") || local == remote {
		t.Errorf("from %q to %q", remote, local)
	}
}

func compareRecords(t *testing.T, got []event.Record, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = show(got[i])
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("record %d:\n got %s\nwant %s", i, g, w)
		}
	}
}

// A long header is cut: twenty lines are enough for a picture.
func TestEvents_LongHeader(t *testing.T) {
	t.Parallel()
	lines := []string{"HELO a => 250", "MAIL FROM:<> => 250", "RCPT TO:<bruno@boreal.test> => 250", "DATA => 354"}
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("X-%d: y", i))
	}
	lines = append(lines, "Message-ID: <late@a>", "", ". => 250", "QUIT => 221")
	headers, message := 0, ""
	for _, r := range talk(t, smtpd.Config{}, lines...) {
		if strings.HasPrefix(r.Text, "X-") {
			headers++
		}
		message += r.Message
	}
	if headers != 20 || message != "late@a" {
		t.Errorf("%d header lines, Message-ID %q", headers, message)
	}
}

// Rule 26 of the style: secrets never reach a record, whatever went wrong.
func TestEvents_SecretsAreMasked(t *testing.T) {
	t.Parallel()
	user, password := base64.StdEncoding.EncodeToString([]byte("segredo-ana")), base64.StdEncoding.EncodeToString([]byte("segredo-senha"))
	plain := base64.StdEncoding.EncodeToString([]byte("\x00segredo\x00segredo"))
	wrong := base64.StdEncoding.EncodeToString([]byte("\x00segredo\x00errado"))
	cfg := smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: []string{"PLAIN", "LOGIN"}}
	got := talk(t, cfg,
		"EHLO a => 250",
		" AUTH PLAIN "+plain+" => 500", // once recorded as it came
		"\tauth plain "+plain+" => 500",
		"AUTH PLAIN "+wrong+" => 535",
		"AUTH PLAIN "+plain+" "+plain+" => 501",
		"auth  plain  "+plain+" => 501",
		"AUTH PLAIN "+plain+"\x01 => 501",
		"AUTH X-OTHER "+plain+" => 504",
		// A client that does not wait sends its secrets behind our refusal.
		"AUTH X-OTHER => 504",
		user+" => 500",
		password+" => 500",
		"NOOP => 250",
		"AUTH LOGIN => 334",
		user+" => 334",
		password+" => 535",
		"AUTH LOGIN => 334",
		password+"=",
		"AUTH PLAIN => 501 334",
		plain+" => 235",
		"QUIT => 221",
	)
	var all strings.Builder
	for _, r := range got {
		fmt.Fprintln(&all, show(r))
	}
	for _, secret := range []string{user, password, plain, wrong, "errado", "segredo-senha"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q was recorded:\n%s", secret, all.String())
		}
	}
	for _, want := range []string{
		"line < AUTH PLAIN ****\n", "line < AUTH ****\n", "line < AUTH LOGIN\n", "line < ****\n", "line < NOOP\n",
		"auth  refused user=\"segredo\" mechanism=\"PLAIN\" note=\"in-clear\"\n",
		"auth  refused user=\"segredo-ana\" mechanism=\"LOGIN\" note=\"in-clear\"\n",
		"auth  accepted user=\"segredo\" mechanism=\"PLAIN\" note=\"in-clear\"\n",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %q in\n%s", want, all.String())
		}
	}
}

func TestEvents_OfLFSession(t *testing.T) {
	t.Parallel()
	cfg := smtpd.Config{Events: event.NewLog("mx1.boreal.test", 0), Backend: &memory{}}
	c, in := pipe(t.Context(), t, cfg)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	for _, line := range []string{"HELO a", "MAIL FROM:<>", "RCPT TO:<bruno@boreal.test>", "DATA"} {
		write(t, c, line+"\n")
		expect(t, in, map[bool]string{true: "354", false: "250"}[line == "DATA"])
	}
	write(t, c, "text\n.\n")
	expect(t, in, "250")
	for _, r := range cfg.Events.After(0, 100).Records {
		if strings.HasPrefix(r.Text, "(message: ") {
			if r.Text != "(message: 6 octets)" || r.Meta.Get("note") != "lf-alone" {
				t.Errorf("%s", show(r))
			}
			return
		}
	}
	t.Error("no record of the message")
}

// What stands in place of a line is data: a client may send such a line itself.
func TestEvents_TellTheirSummariesFromLines(t *testing.T) {
	t.Parallel()
	var got []string
	for _, r := range talk(t, smtpd.Config{}, "NOOP "+strings.Repeat("x", 5000)+" => 500", "(line too long) => 500", "QUIT => 221") {
		if r.Dir == event.In {
			got = append(got, r.Text+"|"+r.Meta.Get(event.Summary))
		}
	}
	want := []string{"(line too long)|line-too-long", "(line too long)|", "QUIT|"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEvents_EarlyTalkerIsNoted(t *testing.T) {
	t.Parallel()
	cfg := smtpd.Config{Hostname: "mx1.boreal.test", Events: event.NewLog("mx1.boreal.test", 0), Backend: &memory{}}
	srv, err := smtpd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, early := range []string{"EHLO a\r\nQUIT\r\n", ""} {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		write(t, conn, early)
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if early == "" {
			conn.Close()
		}
		srv.ServeConn(t.Context(), server)
		conn.Close()
	}
	var notes []string
	for _, r := range cfg.Events.After(0, 100).Records {
		if r.Text == event.Open {
			notes = append(notes, r.Meta.Get("note"))
		}
	}
	if got := fmt.Sprintf("%q", notes); got != `["early-talk" ""]` {
		t.Errorf("noted %s", got)
	}
}

// TLS on a port that speaks plain text: what came is told, and not shown.
func TestEvents_OfTLSOnAPlainPort(t *testing.T) {
	t.Parallel()
	cfg := smtpd.Config{TLS: testTLS(), Backend: &memory{}, Events: event.NewLog("mx1.boreal.test", 0)}
	addr := serve(t, cfg)
	if _, err := tls.Dial("tcp", addr, clientTLS()); err == nil {
		t.Error("the handshake succeeded")
	}
	var all []string
	for _, r := range recorded(t, cfg.Events) {
		all = append(all, show(r))
	}
	if text := strings.Join(all, "\n"); !strings.Contains(text, `note="tls-in-plain"`) ||
		!strings.Contains(text, "line > 421 4.7.0 This port speaks plain text") || len(all) != 5 {
		t.Errorf("recorded:\n%s", text)
	}
}
