package smtpd_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/smtpd"
)

// smuggled is a second message inside of the first one.
const smuggled = "MAIL FROM:<mallory@cedro.test>\r\nRCPT TO:<bruno@boreal.test>\r\nDATA\r\nsmuggled\r\n.\r\n"

// nearMisses look like CRLF.CRLF to some servers; wire's tests have more.
var nearMisses = []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r"}

// transaction opens a session up to a first recipient.
func transaction(t *testing.T, cfg smtpd.Config) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, in := pipe(t.Context(), t, cfg)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	expect(t, in, "220")
	hello := ehlo
	if cfg.Proto == smtpd.LMTP {
		hello = "LHLO pc.aurora.test\r\n"
	}
	for _, line := range []string{hello, from, to} {
		write(t, c, line)
		expect(t, in, "250")
	}
	return c, in
}

// everywhere plays the smuggling set in each dialect: row 2 is that LMTP, the
// hop behind the MTA, obeys the same rules.
func everywhere(t *testing.T, cfg smtpd.Config, play func(t *testing.T, cfg smtpd.Config, m *memory, text string)) {
	t.Helper()
	for _, proto := range []smtpd.Protocol{smtpd.SMTP, smtpd.Submission, smtpd.LMTP} {
		for _, end := range nearMisses {
			for _, head := range []string{"text", ""} {
				t.Run(fmt.Sprintf("%s %q", proto, head+end), func(t *testing.T) {
					t.Parallel()
					m := &memory{}
					cfg := cfg
					cfg.Proto, cfg.Backend = proto, m
					play(t, cfg, m, head+end)
				})
			}
		}
	}
}

func TestRow1And2_SmugglingDeliversNothing(t *testing.T) {
	t.Parallel()
	everywhere(t, smtpd.Config{}, func(t *testing.T, cfg smtpd.Config, m *memory, text string) {
		c, in := transaction(t, cfg)
		write(t, c, "DATA\r\n")
		expect(t, in, "354")
		write(t, c, text+strings.ReplaceAll(smuggled, "\r\n.\r\n", "\r\n..\r\n")+"\r\n.\r\n")
		if got := expect(t, in, "500"); !strings.HasPrefix(got, "500 5.5.2 ") {
			t.Errorf("got %q", got)
		}
		write(t, c, to)
		expect(t, in, "503")
		if n := len(m.stored()); n != 0 {
			t.Errorf("%d messages were stored", n)
		}
	})
}

// BDAT needs no end, so nothing ends early; what goes on by DATA must hold no
// bare CR or LF all the same. Each octet is a chunk of its own, too.
func TestRow1And2_SmugglingByBDAT(t *testing.T) {
	t.Parallel()
	for _, tiny := range []bool{false, true} {
		everywhere(t, smtpd.Config{Chunking: true, Limits: smtpd.Limits{Errors: 1000}}, func(t *testing.T, cfg smtpd.Config, m *memory, text string) {
			c, in := transaction(t, cfg)
			text += smuggled
			var all strings.Builder
			if tiny {
				for i := range len(text) {
					fmt.Fprintf(&all, "BDAT 1\r\n%s", text[i:i+1])
				}
				text = ""
			}
			fmt.Fprintf(&all, "BDAT %d LAST\r\n%sNOOP\r\n", len(text), text)
			go c.Write([]byte(all.String())) // it ends with the connection
			for code := ""; ; {
				line, err := in.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				switch code = line[:3]; {
				case code == "500" && strings.HasPrefix(line, "500 5.5.2 Message holds"), code == "503", code == "250" && strings.Contains(line, "so far"):
				case line == "250 2.0.0 Ok\r\n": // NOOP's
					if n := len(m.stored()); n != 0 {
						t.Errorf("%d messages were stored", n)
					}
					return
				default:
					t.Fatalf("got %q", line)
				}
			}
		})
	}
}

// An organisation that normalises takes one message, whatever it looks like.
func TestRow1And2_NormalisedIsOneMessage(t *testing.T) {
	t.Parallel()
	everywhere(t, smtpd.Config{LineEnds: smtpd.NormaliseBare, Chunking: true}, func(t *testing.T, cfg smtpd.Config, m *memory, text string) {
		c, in := transaction(t, cfg)
		write(t, c, "DATA\r\n")
		expect(t, in, "354")
		text += strings.ReplaceAll(smuggled, "\r\n.\r\n", "\r\n..\r\n")
		write(t, c, text+"\r\n.\r\n")
		expect(t, in, "250")
		write(t, c, from)
		expect(t, in, "250")
		write(t, c, to)
		expect(t, in, "250")
		write(t, c, fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text))
		expect(t, in, "250")
		messages := m.stored()
		if len(messages) != 2 {
			t.Fatalf("%d messages were stored", len(messages))
		}
		for _, got := range messages {
			if bare := strings.ReplaceAll(got.text, "\r\n", ""); strings.ContainsAny(bare, "\r\n") || !strings.Contains(got.text, "MAIL FROM:<mallory") {
				t.Errorf("stored %q", got.text)
			}
		}
	})
}

// With the defence off the demonstration works: a second message comes out of
// the first one, and the record says how.
func TestRow1And2_TrustIsSmuggledThrough(t *testing.T) {
	t.Parallel()
	everywhere(t, smtpd.Config{LineEnds: smtpd.TrustBare}, func(t *testing.T, cfg smtpd.Config, m *memory, text string) {
		cfg.Events = event.NewLog("mx1.boreal.test", 0)
		c, in := transaction(t, cfg)
		write(t, c, "DATA\r\n")
		expect(t, in, "354")
		ends := strings.HasSuffix(text, "\n.\n") || strings.HasSuffix(text, "\n.\r\n")
		if !ends {
			write(t, c, text+"\r\n.\r\nNOOP\r\n")
			expect(t, in, "250", "250")
		} else {
			go c.Write([]byte(text + smuggled + "NOOP\r\n")) // it ends with the connection
			expect(t, in, "250", "250", "250", "354", "250", "250")
		}
		var senders []string
		for _, got := range m.stored() {
			senders = append(senders, got.t.From.Path())
			if bare := strings.ReplaceAll(got.text, "\r\n", ""); strings.ContainsAny(bare, "\r\n") {
				t.Errorf("stored %q", got.text)
			}
		}
		want := map[bool]string{false: "[<ana@aurora.test>]", true: "[<ana@aurora.test> <mallory@cedro.test>]"}[ends]
		if fmt.Sprint(senders) != want {
			t.Errorf("messages are from %v, want %s", senders, want)
		}
		noted := 0
		for _, r := range cfg.Events.After(0, 100).Records {
			if r.Meta.Get(event.Note) == string(reason.Smuggled) {
				noted++
			}
		}
		if noted != map[bool]int{true: 1}[ends] {
			t.Errorf("noted %d times", noted)
		}
	})
}

// Half a session in LF, half in CRLF, is no person at nc.
func TestRow1_MixedLineEndsAreNoExcuse(t *testing.T) {
	t.Parallel()
	m := &memory{}
	c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	for _, line := range []string{"EHLO a\r\n", "MAIL FROM:<>\n", "RCPT TO:<bruno@boreal.test>\n"} {
		write(t, c, line)
		expect(t, in, "250")
	}
	write(t, c, "DATA\n")
	expect(t, in, "354")
	write(t, c, "x\n.\nNOOP\n.\r\n\r\n.\r\n")
	expect(t, in, "500")
	write(t, c, "NOOP\r\n")
	expect(t, in, "250")
	if n := len(m.stored()); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}
