package command_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
)

// show writes a command as one comparable line.
func show(c command.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", c.Verb)
	switch c.Verb {
	case command.Mail, command.Rcpt:
		fmt.Fprintf(&b, " %s", c.Path.Path())
		for _, p := range c.Params {
			fmt.Fprintf(&b, " [%s %s %v]", p.Key, p.Value, p.HasValue)
		}
	default:
		fmt.Fprintf(&b, " %q", c.Arg)
		for _, p := range c.Params {
			fmt.Fprintf(&b, " [%s %s %v]", p.Key, p.Value, p.HasValue)
		}
	}
	if c.Initial != "" {
		fmt.Fprintf(&b, " initial=%q", c.Initial)
	}
	if len(c.Notes) > 0 {
		fmt.Fprintf(&b, " note=%q", reason.Encode(c.Notes...))
	}
	return b.String()
}

func TestParse_Accepts(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"EHLO pc.aurora.test":           `EHLO "pc.aurora.test"`,
		"ehlo pc.aurora.test  ":         `EHLO "pc.aurora.test"`,
		"HeLo [198.18.1.100]":           `HELO "[198.18.1.100]"`,
		"LHLO localhost":                `LHLO "localhost"`,
		"EHLO MY_PC":                    `EHLO "MY_PC"`,
		"DATA":                          `DATA ""`,
		"data   ":                       `DATA ""`,
		"QUIT":                          `QUIT ""`,
		"NOOP a b c":                    `NOOP "a b c"`,
		"HELP rcpt":                     `HELP "rcpt"`,
		"VRFY José":                     `VRFY "José"`,
		"VRFY José  smtputf8":           `VRFY "José" [SMTPUTF8  false]`,
		"EXPN a b SMTPUTF8":             `EXPN "a b" [SMTPUTF8  false]`,
		"VRFY SMTPUTF8":                 `VRFY "SMTPUTF8"`,
		"AUTH plain":                    `AUTH "PLAIN"`,
		"AUTH PLAIN AGEAYg==":           `AUTH "PLAIN" initial="AGEAYg=="`,
		"GET / HTTP/1.1":                `HTTP "/ HTTP/1.1"`,
		"BDAT 10 LAST":                  `BDAT "10 LAST"`,
		"MAIL FROM:<ana@aurora.test>":   "MAIL <ana@aurora.test>",
		"mail from:<>":                  "MAIL <>",
		"MAIL  FROM:   <a@b>":           "MAIL <a@b>",
		"MAIL FROM:<a@b> SIZE=1 body=X": "MAIL <a@b> [SIZE 1 true] [BODY X true]",
		"MAIL FROM:<a@b> SMTPUTF8":      "MAIL <a@b> [SMTPUTF8  false]",
		"MAIL FROM:ana@aurora.test":     `MAIL <ana@aurora.test> note="no-brackets"`,
		"MAIL FROM: a@b SIZE=1":         `MAIL <a@b> [SIZE 1 true] note="no-brackets"`,
		"RCPT TO:<Postmaster>":          "RCPT <Postmaster>",
		"RCPT TO:<a@b> ORCPT=rfc822;a":  "RCPT <a@b> [ORCPT rfc822;a true]",
	} {
		c, err := command.Parse([]byte(line))
		if got := show(c); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", line, got, err, want)
		}
	}
}

func TestParse_Refuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                         "500 5.5.2",
		"   ":                      "500 5.5.2",
		"XYZZY":                    "500 5.5.1",
		"MAILFROM:<a@b>":           "500 5.5.1",
		"?":                        "500 5.5.1",
		"HTTP":                     "500 5.5.1",
		"NO\x00OP":                 "500 5.5.2",
		"EHLO\tpc":                 "500 5.5.2",
		"É":                        "500 5.5.2",
		"EHLO":                     "501 5.5.4",
		"EHLO a b":                 "501 5.5.4",
		"EHLO -a":                  "501 5.5.4",
		"EHLO [1.2.3]":             "501 5.5.4",
		"EHLO [1.2.3.4":            "501 5.5.4",
		"EHLO é":                   "501 5.5.4",
		"EHLO a\x0bb":              "501 5.5.4",
		"DATA x":                   "501 5.5.4",
		"STARTTLS x":               "501 5.5.4",
		"VRFY":                     "501 5.5.4",
		"VRFY a\xff":               "501 5.5.4",
		"VRFY a\u0085":             "501 5.5.4",
		"AUTH":                     "501 5.5.4",
		"AUTH PLAIN a b":           "501 5.5.4",
		"MAIL":                     "501 5.5.4",
		"MAIL FROM":                "501 5.5.4",
		"MAIL FROM :<a@b>":         "501 5.5.4",
		"MAIL FROM:":               "501 5.1.7",
		"MAIL FROM:ana":            "501 5.1.7",
		"MAIL FROM:<ana>":          "501 5.1.7",
		"MAIL FROM:<postmaster>":   "501 5.1.7",
		"MAIL FROM:postmaster":     "501 5.1.7",
		"MAIL FROM:a@b>":           "501 5.1.7",
		"MAIL FROM:<a@b >":         "501 5.1.7",
		"MAIL FROM:<a@b>x":         "501 5.5.4",
		"MAIL FROM:<a@b> X=1  Y=2": "501 5.5.4",
		"MAIL FROM:<a@b> X=":       "501 5.5.4",
		"MAIL FROM:<a@b> X=1=2":    "501 5.5.4",
		"MAIL FROM:<a@b> -X=1":     "501 5.5.4",
		"MAIL FROM:<a@b> X_Y=1":    "501 5.5.4",
		"MAIL FROM:<a@b> x=1 X=1":  "501 5.5.4",
		"MAIL FROM:<a@b> X=\x01":   "501 5.5.4",
		"RCPT TO:<>":               "501 5.1.3",
		"RCPT TO:bruno":            "501 5.1.3",
		"RCPT TO:<@b>":             "501 5.1.3",
		"RCPT FROM:<a@b>":          "501 5.5.4",
		"MAIL FROM:" + strings.Repeat("a", 65) + "@b":       "501 5.1.7",
		"MAIL FROM:<a@b>" + strings.Repeat(" X", 1):         "",
		"MAIL FROM:<a@b> A B C D E F G H I J K L M N O P Q": "501 5.5.4",
	} {
		_, err := command.Parse([]byte(line))
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", line, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(reply.Of(err).String(), want) {
			t.Errorf("%q: got %v, want %s", line, err, want)
		}
	}
}

// Addresses that are too long, and commands behind a space, were refused for
// something else: "it goes like <user@domain>", "Empty line".
func TestParse_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	local, domain := strings.Repeat("a", 65), strings.Repeat("d.", 130)+"d"
	for line, want := range map[string]string{
		"MAIL FROM:<" + local + "@b>":               "501 5.1.7 Path too long: ", // RFC 5321 §4.5.3.1.9
		"MAIL FROM:" + local + "@b":                 "501 5.1.7 Path too long: ",
		"MAIL FROM:<a@" + domain + ">":              "501 5.1.7 Path too long: ",
		"RCPT TO:<a@" + domain + ">":                "501 5.1.3 Path too long: ",
		"RCPT TO:<\"" + local + "\"@b>":             "501 5.1.3 Path too long: ",
		"RCPT TO:<@" + domain[:250] + "d:ana@b.cd>": "501 5.1.3 Path too long: ",
		"MAIL FROM:<a@b":                            "501 5.1.7 Bad sender address; ",
		"RCPT TO:<a@b":                              "501 5.1.3 Bad recipient address; ",
		" NOOP":                                     "500 5.5.2 A command stands at the very beginning of its line",
		"  ":                                        "500 5.5.2 Empty line; ",
		"":                                          "500 5.5.2 Empty line; ",
		"HELO":                                      "501 5.5.4 Syntax: HELO your.host.name ",
		"LHLO a b":                                  "501 5.5.4 Syntax: LHLO your.host.name ",
	} {
		if _, err := command.Parse([]byte(line)); err == nil || !strings.HasPrefix(reply.Of(err).String(), want) {
			t.Errorf("%q: got %v, want %s", line, err, want)
		}
	}
}

func TestVerbOf_KnowsEveryName(t *testing.T) {
	t.Parallel()
	for v := command.Helo; int(v) < command.NumVerbs; v++ {
		if v == command.HTTP {
			continue
		}
		if got := command.VerbOf(strings.ToLower(v.String())); got != v {
			t.Errorf("%s is read as %s", v, got)
		}
	}
}

func TestXtext(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "abc": "abc", "a+2Bb": "a+b", "a+3Db": "a=b", "+20": " ", "+C3+A9": "é",
	} {
		if got, ok := command.DecodeXtext(in); !ok || got != want {
			t.Errorf("DecodeXtext(%q) = %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"a b", "a=b", "+", "+2", "+2g", "+2b", "+0A", "+0D", "+00", "+7F", "\x7f", "é"} {
		if got, ok := command.DecodeXtext(in); ok {
			t.Errorf("DecodeXtext(%q) = %q", in, got)
		}
	}
}

func FuzzXtext(f *testing.F) {
	f.Add("a+b=c é")
	f.Add("+2B+0A")
	f.Fuzz(func(t *testing.T, s string) {
		decoded, ok := command.DecodeXtext(s)
		if ok && strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q decodes to %q", s, decoded)
		}
		encoded := command.EncodeXtext(s)
		back, ok := command.DecodeXtext(encoded)
		control := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
		if ok == control || ok && back != s {
			t.Fatalf("%q is encoded %q and decoded %q, %v", s, encoded, back, ok)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"EHLO pc.aurora.test", "MAIL FROM:<ana@aurora.test> SIZE=1 BODY=8BITMIME", `RCPT TO:<"a> X <"@b.test> NOTIFY=NEVER`,
		"mail from:a@b", "AUTH PLAIN AGEAYg==", "GET / HTTP/1.1", "VRFY é", "RCPT TO:<@a,@b:c@d>", "MAIL FROM:<>>>>", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := command.Parse(line)
		if err != nil {
			if r := reply.Of(err); r.Code != 500 && r.Code != 501 {
				t.Fatalf("%q: %v", line, err)
			}
			return
		}
		switch c.Verb {
		case command.Unknown:
			t.Fatalf("%q: unknown without an error", line)
		case command.Mail, command.Rcpt:
			// What is written again is read the same.
			keyword := map[command.Verb]string{command.Mail: "FROM:", command.Rcpt: "TO:"}[c.Verb]
			again, err := command.Parse([]byte(c.Verb.String() + " " + keyword + c.Path.Path()))
			if len(c.Path.Path()) <= 256 && (err != nil || again.Path != c.Path) {
				t.Fatalf("%q: path %q is read as %q, %v", line, c.Path, again.Path, err)
			}
			for _, p := range c.Params {
				if strings.ContainsFunc(p.Key+p.Value, unicode.IsControl) || strings.Contains(p.Value, " ") {
					t.Fatalf("%q: parameter %+v", line, p)
				}
			}
		case command.Helo, command.Ehlo, command.Lhlo:
			if strings.ContainsFunc(c.Arg, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Fatalf("%q: name %q", line, c.Arg)
			}
		}
	})
}
