package smtpd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
)

// authenticate plays the client's side of AUTH and returns the last reply. The
// initial response goes with the command, unless alone is set.
func authenticate(t *testing.T, c io.Writer, in *bufio.Reader, mechanism, user, password string, alone bool) string {
	t.Helper()
	client, err := sasl.NewClient(mechanism, user, password)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Start()
	if err != nil {
		t.Fatal(err)
	}
	line := "AUTH " + mechanism
	if response != nil && !alone {
		line += " " + sasl.EncodeInitial(response)
	}
	for {
		write(t, c, line+"\r\n")
		reply := hear(t, in)
		text, more := strings.CutPrefix(reply, "334 ")
		if !more {
			if err := client.Done(); err != nil && strings.HasPrefix(reply, "235") {
				t.Errorf("%s: %v", mechanism, err)
			}
			return reply
		}
		challenge, err := sasl.Decode(text)
		if err != nil {
			t.Fatalf("challenge %q: %v", text, err)
		}
		if response, err = client.Next(challenge); err != nil {
			t.Fatalf("challenge %q: %v", challenge, err)
		}
		line = sasl.Encode(response)
	}
}

// hear reads one reply and returns its last line.
func hear(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		if line = strings.TrimSuffix(line, "\r\n"); len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

func TestAuth_EveryMechanism(t *testing.T) {
	t.Parallel()
	for _, mechanism := range sasl.Mechanisms {
		for _, alone := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s alone %v", mechanism, alone), func(t *testing.T) {
				t.Parallel()
				m := &memory{}
				cfg := smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: sasl.Mechanisms, RequireAuth: true, Backend: m,
					Events: event.NewLog("mx1.boreal.test", 0), Limits: smtpd.Limits{AuthFailures: 10}}
				c, in := pipe(t.Context(), t, cfg)
				c.SetDeadline(time.Now().Add(10 * time.Second))
				expect(t, in, "220")
				write(t, c, ehlo)
				expect(t, in, "250")
				for _, try := range []struct{ user, password, want string }{
					{"ana", "bob", "535 5.7.8 "}, {"ninguem", "ninguem", "535 5.7.8 "}, {"preso", "preso", "535 5.7.8 This account is locked"},
					{"erro", "erro", "454 4.7.0 "}, {"ana", "ana", "235 2.7.0 "},
				} {
					if got := authenticate(t, c, in, mechanism, try.user, try.password, alone); !strings.HasPrefix(got, try.want) {
						t.Errorf("%s: %q, want %q", try.user, got, try.want)
					}
				}
				write(t, c, from)
				expect(t, in, "250")
				checkAuthRecords(t, cfg.Events, mechanism)
				if got := m.log[len(m.log)-2]; got != "auth ana account of ana" {
					t.Errorf("the backend was told %q", got)
				}
			})
		}
	}
}

// checkAuthRecords looks for who, how and with what success, and for nothing of
// what was said between AUTH and its outcome.
func checkAuthRecords(t *testing.T, log *event.Log, mechanism string) {
	t.Helper()
	var outcomes []string
	inside := false
	for _, r := range log.After(0, 1000).Records {
		switch {
		case r.Kind == event.KindAuth:
			outcomes = append(outcomes, r.Text+" "+r.Meta.Get(event.User))
			if got := r.Meta.Get(event.Mechanism); got != mechanism || r.Meta.Get(event.Note) != string(reason.InClear) {
				t.Errorf("%s", show(r))
			}
		case r.Kind != event.KindLine:
		case strings.HasPrefix(r.Text, "AUTH "):
			inside = true
			if r.Text != "AUTH "+mechanism && r.Text != "AUTH "+mechanism+" ****" {
				t.Errorf("%s", show(r))
			}
		case inside && r.Dir == event.In, inside && strings.HasPrefix(r.Text, "334 ") && !sasl.Bare(mechanism):
			if r.Text != "****" && r.Text != "334 ****" && r.Text != "334 " {
				t.Errorf("recorded %q", r.Text)
			}
		}
		inside = inside && !strings.HasPrefix(r.Text, "235 ")
	}
	if got := strings.Join(outcomes, ", "); got != "refused ana, refused ninguem, refused preso, refused erro, accepted ana" {
		t.Errorf("%s: %s", mechanism, got)
	}
}

// AUTH is announced where it works, and works where it is announced.
func TestAuth_IsAnnouncedWhereItWorks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proto      smtpd.Protocol
		onlyTLS    bool
		clear, tls string // what AUTH says there
	}{
		{smtpd.Submission, true, "538", "235"},
		{smtpd.Submission, false, "235", "235"},
		{smtpd.Submissions, true, "", "235"},
	} {
		cfg := smtpd.Config{Proto: c.proto, TLS: testTLS(), AuthMechanisms: sasl.Mechanisms, RequireTLSForAuth: c.onlyTLS, Backend: &memory{}}
		for _, secure := range []bool{false, true} {
			want := map[bool]string{false: c.clear, true: c.tls}[secure]
			if want == "" {
				continue
			}
			conn, in := connect(t, cfg, secure)
			write(t, conn, ehlo)
			line, announced := "", false
			for line == "" || line[3] == '-' {
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				announced = announced || strings.TrimRight(line[4:], "\r\n") == "AUTH SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN"
			}
			if announced != (want == "235") {
				t.Errorf("%s, only TLS %v, TLS %v: announced %v", c.proto, c.onlyTLS, secure, announced)
			}
			if got := authenticate(t, conn, in, sasl.CRAMMD5, "ana", "ana", false); !strings.HasPrefix(got, want) {
				t.Errorf("%s, only TLS %v, TLS %v: AUTH is %q", c.proto, c.onlyTLS, secure, got)
			}
		}
	}
}

// connect opens a connection, with TLS from its first octet or by STARTTLS, up
// to where EHLO may come.
func connect(t *testing.T, cfg smtpd.Config, secure bool) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", serve(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if secure && cfg.Proto == smtpd.Submissions {
		conn = tlsClient(conn)
	}
	in := bufio.NewReader(conn)
	expect(t, in, "220")
	if secure && cfg.Proto != smtpd.Submissions {
		write(t, conn, ehlo)
		expect(t, in, "250")
		write(t, conn, "STARTTLS\r\n")
		expect(t, in, "220")
		conn = tlsClient(conn)
		in = bufio.NewReader(conn)
	}
	return conn, in
}

// A challenge is one line, however long the client's nonce made it (RFC 4954 §4
// knows no continuation).
func TestAuth_LongChallengeIsOneLine(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: sasl.Mechanisms})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	write(t, c, ehlo)
	expect(t, in, "250")
	first := "n,,n=ana,r=" + strings.Repeat("x", 3000)
	write(t, c, "AUTH SCRAM-SHA-256 "+sasl.Encode([]byte(first))+"\r\n")
	challenge, err := sasl.Decode(strings.TrimPrefix(hear(t, in), "334 "))
	if err != nil || !strings.HasPrefix(string(challenge), "r="+strings.Repeat("x", 3000)) {
		t.Errorf("challenge %.40q, %v", challenge, err)
	}
	write(t, c, "*\r\n")
	expect(t, in, "501")
	write(t, c, "AUTH SCRAM-SHA-256 "+sasl.Encode([]byte(first+first))+"\r\n")
	if got := expect(t, in, "501"); !strings.HasPrefix(got, "501 5.5.2 ") {
		t.Errorf("a response without bounds: %q", got)
	}
}

// Cancelling, garbage and unknown mechanisms are no failed proof: only guessing
// ends the session.
func TestAuth_OnlyWrongProofsCountAsFailures(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: sasl.Mechanisms, Limits: smtpd.Limits{AuthFailures: 2}})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	write(t, c, ehlo)
	expect(t, in, "250")
	for range 3 {
		for _, line := range []string{"AUTH X", "AUTH PLAIN !", "AUTH SCRAM-SHA-256 YQ==", "AUTH PLAIN AGVycm8AZXJybw=="} {
			write(t, c, line+"\r\n")
			if got := hear(t, in); got[:3] != "504" && got[:3] != "501" && got[:3] != "454" {
				t.Errorf("%s: %q", line, got)
			}
		}
		write(t, c, "AUTH CRAM-MD5\r\n")
		expect(t, in, "334")
		write(t, c, "*\r\n")
		expect(t, in, "501")
	}
	for _, mechanism := range []string{sasl.SCRAMSHA256, sasl.CRAMMD5} {
		want := map[string]string{sasl.SCRAMSHA256: "535 ", sasl.CRAMMD5: "421 4.7.0 "}[mechanism]
		if got := authenticate(t, c, in, mechanism, "ana", "bob", false); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", mechanism, got, want)
		}
	}
	expectEOF(t, in)
}
