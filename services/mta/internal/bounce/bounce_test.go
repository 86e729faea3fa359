package bounce

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/text"
	"correio/services/mta/internal/bounce/bouncetest"
)

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", -3*3600))

func address(t testing.TB, s string) mailaddr.Address {
	t.Helper()
	a, err := mailaddr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	received = "Received: from pc.aurora.test ([198.18.1.100])\r\n\tby mx1.aurora.test (Correio) with ESMTPSA id 4F0A1122CC; now\r\n"
	original = received + "Message-ID: <1@aurora.test>\r\nSubject: Oi\r\n\r\nOlá.\r\n.\r\n"
)

func example(t testing.TB) Report {
	return Report{
		Action: Failed, MTA: "mx1.aurora.test", From: address(t, "postmaster@aurora.test"), To: address(t, "ana@aurora.test"),
		MessageID: "R1@mx1.aurora.test", Date: day, Boundary: "b0undary",
		Queue: "4F0A1122CC", Sender: address(t, "ana@aurora.test"), Arrived: day.Add(-time.Hour), EnvID: "QQ+2B1", OriginalID: "1@aurora.test",
		Recipients: []Recipient{
			{To: address(t, "bruno@boreal.test"), ORcpt: "rfc822;bru+2Bno@x.test", Host: "mx1.boreal.test", At: day,
				Reply: reply.Reply{Code: 550, Enhanced: reply.Enhanced{5, 1, 1}, Lines: []string{"No such\r\nX-Evil: yes", strings.Repeat("word ", 50)}}},
			{To: address(t, "x@nx.casos.test"), Reply: reply.New(550, "5.1.2", "Domain nx.casos.test does not exist"), At: day},
		},
		Message: strings.NewReader(original),
	}
}

// kinds are reports of every kind.
func kinds(t testing.TB) map[string]Report {
	all := map[string]Report{}
	add := func(name string, change func(r *Report)) {
		r := example(t)
		change(&r)
		all[name] = r
	}
	taken := []Recipient{{To: address(t, "bruno@boreal.test"), Host: "mda.boreal.test", At: day, Reply: reply.New(250, "2.1.5", "Ok: stored as X1")}}
	about := func(local string) []Recipient {
		return []Recipient{{To: address(t, local+"@boreal.test"), ORcpt: `utf-8;jo\x{E3}o@x.test`, Host: "mx1.boreal.test", At: day,
			Reply: reply.Reply{Code: 550, Enhanced: reply.Enhanced{5, 1, 1}, Lines: []string{"João não existe"}}}}
	}
	add("failed", func(*Report) {})
	add("failed RET=HDRS", func(r *Report) { r.HeadersOnly = true })
	add("delayed", func(r *Report) {
		r.Action = Delayed
		r.Recipients = []Recipient{{To: address(t, "bruno@boreal.test"), Reply: reply.Reply{Code: 421, Lines: []string{"Busy"}}, Host: "mx1.boreal.test", At: day, Until: day.Add(116 * time.Hour)}}
	})
	add("delivered", func(r *Report) { r.Action, r.Recipients = Delivered, taken })
	add("delivered to a list", func(r *Report) {
		r.Action, r.List, r.Recipients = Delivered, true, []Recipient{{To: address(t, "turma@boreal.test"), At: day, Reply: reply.New(250, "2.1.5", "Expanded to 2 recipients")}}
	})
	add("relayed", func(r *Report) {
		r.Action, r.Recipients = Relayed, []Recipient{{To: taken[0].To, Host: "old.example", At: day, Reply: reply.Reply{Code: 250, Lines: []string{""}}}}
	})
	add("expanded", func(r *Report) {
		r.Action, r.Recipients = Expanded, []Recipient{{To: address(t, "todos@boreal.test"), At: day, Reply: reply.New(250, "2.1.5", "Expanded to 2 recipients")}}
	})
	add("expired", func(r *Report) {
		r.Recipients = []Recipient{{To: taken[0].To, Status: "4.4.7", At: day, Reply: reply.New(451, "4.4.1", "Cannot connect")}}
	})
	add("copy to the postmaster", func(r *Report) { r.Reader, r.To, r.HeadersOnly = Postmaster, r.From, true })
	add("double bounce", func(r *Report) { r.Reader, r.To, r.Sender = LastResort, r.From, mailaddr.Address{} })
	add("address not ASCII", func(r *Report) { r.Recipients = about("joão") })
	add("original recipient not ASCII", func(r *Report) { r.Recipients = about("bruno") })
	add("sender not ASCII", func(r *Report) { r.To = address(t, "joão@aurora.test") })
	add("SMTPUTF8 message", func(r *Report) {
		r.Message = strings.NewReader("From: João <joão@aurora.test>\r\nSubject: Olá\r\n\r\nOlá!\r\n")
	})
	add("header of a SMTPUTF8 message", func(r *Report) {
		r.HeadersOnly = true
		r.Message = strings.NewReader("From: João <joão@aurora.test>\r\nSubject: Olá\r\n\r\nOlá!\r\n")
	})
	add("8 bits in the header and no SMTPUTF8", func(r *Report) { r.Message = strings.NewReader("Subject: Ol\xe1\r\n\r\nOi\r\n") })
	add("binary message", func(r *Report) { r.Message = strings.NewReader("Subject: Oi\r\n\r\n\x00\n\xff\r") })
	add("long message", func(r *Report) { r.Message = strings.NewReader(original + strings.Repeat("x\r\n", MaxReturned)) })
	add("empty message", func(r *Report) { r.Message = strings.NewReader("") })
	return all
}

// write writes a report and has the strict parser read it, and the two others
// that Go has.
func write(t *testing.T, r Report) bouncetest.Report {
	t.Helper()
	var out bytes.Buffer
	eightBit, err := Write(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := bouncetest.Parse(out.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if eightBit != (got.Header.Get("Content-Transfer-Encoding") == "8bit") {
		t.Errorf("8 bits: %t, said %q", eightBit, got.Header.Get("Content-Transfer-Encoding"))
	}
	if _, err := mail.ReadMessage(bytes.NewReader(out.Bytes())); err != nil {
		t.Errorf("net/mail: %v", err)
	}
	if n, err := messageParts(out.Bytes()); n != 3 || err != nil {
		t.Errorf("go-message: %d parts, %v", n, err)
	}
	return got
}

func messageParts(raw []byte) (int, error) {
	entity, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	mr := entity.MultipartReader()
	if mr == nil {
		return 0, errors.New("not multipart")
	}
	for n := 0; ; n++ {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if _, err := io.Copy(io.Discard, p.Body); err != nil {
			return n, err
		}
	}
}

// behaviour.md §6 rows 17 and 18: strict parsers read it, and it has 3 parts.
func TestRow18ReportHasThreePartsThatStrictParsersRead(t *testing.T) {
	for name, r := range kinds(t) {
		t.Run(name, func(t *testing.T) { write(t, r) })
	}
}

// behaviour.md §6 row 17: angle brackets were doubled.
func TestRow17MessageIDsHaveOnePairOfBrackets(t *testing.T) {
	for id, want := range map[string]string{"1@aurora.test": "<1@aurora.test>", "<1@aurora.test>": "", "a>b@c": "", "a b@c": "", "é@c": "", "": ""} {
		r := example(t)
		r.OriginalID = id
		got := write(t, r)
		if got.Header.Get("Message-ID") != "<R1@mx1.aurora.test>" || got.Header.Get("In-Reply-To") != want || got.Header.Get("References") != want {
			t.Errorf("%q: %v", id, got.Header)
		}
	}
}

func TestPeopleReadBothLanguages(t *testing.T) {
	all := kinds(t)
	for name, want := range map[string]string{
		"failed": "A mensagem não pôde ser entregue / Mail could not be delivered|<bruno@boreal.test>|mx1.boreal.test respondeu: 550 5.1.1|" +
			"mx1.boreal.test said: 550 5.1.1|motivo: 550 5.1.2 Domain nx.casos.test does not exist|não haverá nova tentativa|4F0A1122CC",
		"delayed":             "A mensagem está atrasada / Mail is delayed|haverá tentativas até 2026-11-28 08:00|will be tried until 2026-11-28 08:00",
		"delivered":           "A mensagem foi entregue / Mail was delivered|caixas postais|mda.boreal.test said: 250 2.1.5 Ok: stored as X1",
		"delivered to a list": "A mensagem foi entregue a uma lista / Mail was delivered to a list|<turma@boreal.test>|aos seus membros em nome próprio|to its members in its own name",
		"relayed":             "A mensagem foi repassada / Mail was handed on|não relata entregas|old.example said: 250",
		"expanded":            "A mensagem seguiu para vários / Mail went on to several|<todos@boreal.test>|segue para cada um deles|goes on to each of them",
		"expired": "A mensagem não pôde ser entregue / Mail could not be delivered|nenhuma tentativa deu certo no tempo que uma mensagem é guardada; na última: motivo: 451 4.4.1|" +
			"no attempt succeeded within the time that a message is kept; at the last one: reason: 451 4.4.1 Cannot connect",
		"copy to the postmaster": "Cópia ao postmaster: uma mensagem não pôde ser entregue / Postmaster copy: mail could not be delivered|a message from <ana@aurora.test>",
		"double bounce":          "Aviso ao postmaster: devolução dupla / Postmaster notice: double bounce|sem remetente (<>)",
		"address not ASCII":      "A mensagem não pôde ser entregue / Mail could not be delivered|<joão@boreal.test>|João não existe",
	} {
		t.Run(name, func(t *testing.T) {
			got := write(t, all[name])
			subject, rest, _ := strings.Cut(want, "|")
			if s, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject")); s != subject || err != nil {
				t.Errorf("Subject %q, %v", s, err)
			}
			for part := range strings.SplitSeq(rest, "|") {
				if !strings.Contains(got.Text, part) {
					t.Errorf("the text lacks %q:\n%s", part, got.Text)
				}
			}
		})
	}
}

// RFC 2047 §2: a line with encoded words has 76 characters at most. All of them
// were on one line.
func TestSubjectIsFolded(t *testing.T) {
	for name, r := range kinds(t) {
		var out bytes.Buffer
		if _, err := Write(&out, r); err != nil {
			t.Fatal(err)
		}
		_, subject, _ := strings.Cut(out.String(), "\r\nSubject:")
		subject, _, _ = strings.Cut("Subject:"+subject, "\r\nDate:")
		for line := range strings.SplitSeq(subject, "\r\n") {
			if len(line) > 76 || strings.TrimSpace(line) == "" {
				t.Errorf("%s: a line of %d:\n%s", name, len(line), subject)
			}
		}
	}
}

func TestDeliveryStatusFields(t *testing.T) {
	all := kinds(t)
	for name, want := range map[string]map[string]string{
		"failed": {"Original-Recipient": "rfc822; bru+no@x.test", "Final-Recipient": "rfc822; bruno@boreal.test", "Action": "failed", "Status": "5.1.1",
			"Remote-MTA": "dns; mx1.boreal.test", "Last-Attempt-Date": "Mon, 23 Nov 2026 12:00:00 -0300", "Will-Retry-Until": "", "X-Evil": "",
			"Diagnostic-Code": "smtp; 550 5.1.1 No such  X-Evil: yes / " + strings.TrimSpace(strings.Repeat("word ", 50))},
		"delayed": {"Action": "delayed", "Status": "4.0.0", "Diagnostic-Code": "smtp; 421 Busy", "Will-Retry-Until": "Sat, 28 Nov 2026 08:00:00 -0300"},
		"delivered": {"Action": "delivered", "Status": "2.1.5", "Remote-MTA": "dns; mda.boreal.test", "Diagnostic-Code": "smtp; 250 2.1.5 Ok: stored as X1",
			"Original-Recipient": ""},
		"relayed":  {"Action": "relayed", "Status": "2.0.0", "Remote-MTA": "dns; old.example", "Diagnostic-Code": "smtp; 250"},
		"expanded": {"Action": "expanded", "Status": "2.1.5", "Remote-MTA": "", "Diagnostic-Code": "X-Correio; 250 2.1.5 Expanded to 2 recipients"},
		"expired":  {"Action": "failed", "Status": "4.4.7", "Remote-MTA": "", "Diagnostic-Code": "X-Correio; 451 4.4.1 Cannot connect"},
		"address not ASCII": {"Original-Recipient": "utf-8; joão@x.test", "Final-Recipient": "utf-8; joão@boreal.test",
			"Diagnostic-Code": "smtp; 550 5.1.1 João não existe"},
		"original recipient not ASCII": {"Original-Recipient": "utf-8; joão@x.test", "Final-Recipient": "rfc822; bruno@boreal.test"},
	} {
		t.Run(name, func(t *testing.T) {
			got := write(t, all[name])
			if got.Message.Get("Reporting-MTA") != "dns; mx1.aurora.test" || got.Message.Get("Original-Envelope-Id") != "QQ+1" ||
				got.Message.Get("Arrival-Date") != "Mon, 23 Nov 2026 11:00:00 -0300" {
				t.Errorf("about the message: %v", got.Message)
			}
			for k, v := range want {
				if f := got.Recipients[0].Get(k); f != v {
					t.Errorf("%s is %q, want %q", k, f, v)
				}
			}
			if ascii := got.Type == "message/delivery-status"; ascii == strings.Contains(name, "ASCII") {
				t.Errorf("the second part is %s", got.Type)
			}
		})
	}
}

// A verdict of ours was signed by whichever host we had tried last.
func TestOwnVerdictIsNobodyElsesWord(t *testing.T) {
	got := write(t, example(t)).Recipients[1]
	if got.Get("Diagnostic-Code") != "X-Correio; 550 5.1.2 Domain nx.casos.test does not exist" || got.Get("Remote-MTA") != "" || got.Get("Status") != "5.1.2" {
		t.Errorf("%v", got)
	}
}

func TestWhoBroughtTheMessage(t *testing.T) {
	for line, want := range map[string]string{
		received: "dns; pc.aurora.test (198.18.1.100)", "Received: from [198.18.1.100] ([198.18.1.100])\r\n": "dns; [198.18.1.100] (198.18.1.100)",
		"Received: from x ([IPv6:2001:db8::1])\r\n": "dns; x (2001:db8::1)", "Received: from x (y)\r\n": "", "Subject: Oi\r\n": "",
		"Received: from (\r\n": "", "Received: from a(b ([198.18.1.100])\r\n": "",
	} {
		r := example(t)
		r.Message = strings.NewReader(line + "\r\nOi\r\n")
		if got := write(t, r).Message.Get("Received-From-MTA"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestBrokenSourceFails(t *testing.T) {
	r := example(t)
	r.Message = io.MultiReader(strings.NewReader("A: b\r\n"), brokenReader{})
	if _, err := Write(io.Discard, r); err == nil {
		t.Error("a message that cannot be read was reported as returned")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func FuzzReportStaysWellFormed(f *testing.F) {
	f.Add("No such user", "QQ+2B", "rfc822;a+40b", "1@x", "bruno", "boreal.test", "Subject: Oi\r\n\r\nOi\r\n", "mx1", byte(0))
	f.Add("a\r\n\r\nX: y", "+0D+0A", ";", "<>\r\n", "a\r\n", "\x00", "--b0undary--\r\n", "a b\r\n", byte(1))
	f.Add("não", "+C3", `utf-8;jo\x{E3}o`, "é", "joão", "café.test", "Subject: Olá\r\n", "é", byte(2))
	f.Add("   ", "+20", "utf-8;\u2028", "x", "\u0085", "", "\r\n--\r\n", "", byte(7))
	f.Fuzz(func(t *testing.T, said, envid, orcpt, id, local, domain, message, host string, choice byte) {
		if len(local) > mailaddr.MaxLocal || len(domain) > mailaddr.MaxDomain {
			return
		}
		to := mailaddr.Address{Local: local, Domain: domain}
		if _, err := mailaddr.Parse(to.String()); err != nil { // the spool refuses it
			return
		}
		r := example(t)
		r.Action = []Action{Failed, Delayed, Delivered, Relayed, Expanded}[choice%5]
		r.Reader = []Reader{Sender, Postmaster, LastResort}[choice/4%3]
		r.HeadersOnly = choice >= 128
		r.Boundary = "Q7AA31F2D9004F0A1122CC"
		if strings.Contains(message, r.Boundary) { // a real one is random
			return
		}
		r.Recipients = r.Recipients[:1]
		first := &r.Recipients[0]
		first.Reply.Lines, first.ORcpt, first.Host, first.To = []string{said}, orcpt, strings.ReplaceAll(host, " ", ""), to
		r.EnvID, r.OriginalID, r.Sender, r.To, r.Message = envid, id, to, to, strings.NewReader(message)
		var out bytes.Buffer
		if _, err := Write(&out, r); err != nil {
			t.Fatal(err)
		}
		if _, err := bouncetest.Parse(out.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		seven, ok := SevenBit(out.Bytes())
		if ok != text.IsASCII(r.To.String()) {
			t.Fatalf("to %s, in 7 bits: %t", r.To, ok)
		}
		if _, err := bouncetest.Parse(seven); ok && err != nil {
			t.Fatalf("in 7 bits: %v\n%s", err, seven)
		}
	})
}

func ExampleWrite() {
	r := Report{
		Action: Delivered, MTA: "mx1.boreal.test", From: mailaddr.Address{Local: "postmaster", Domain: "boreal.test"},
		To: mailaddr.Address{Local: "ana", Domain: "aurora.test"}, MessageID: "R1@mx1.boreal.test", Date: day, Boundary: "b", Queue: "A1", Arrived: day, EnvID: "X",
		Recipients: []Recipient{{To: mailaddr.Address{Local: "bruno", Domain: "boreal.test"}, Host: "mda.boreal.test", At: day, Reply: reply.New(250, "2.1.5", "Ok")}},
		Message:    strings.NewReader("Subject: Oi\r\n\r\nOi!\r\n"),
	}
	var b strings.Builder
	if _, err := Write(&b, r); err != nil {
		fmt.Println(err)
	}
	_, status, _ := strings.Cut(b.String(), "message/delivery-status")
	status, _, _ = strings.Cut(status, "--b")
	fmt.Println(strings.TrimSpace(strings.ReplaceAll(status, "\r", "")))
	// Output:
	// Original-Envelope-Id: X
	// Reporting-MTA: dns; mx1.boreal.test
	// Arrival-Date: Mon, 23 Nov 2026 12:00:00 -0300
	// X-Correio-Queue-ID: A1
	//
	// Final-Recipient: rfc822; bruno@boreal.test
	// Action: delivered
	// Status: 2.1.5
	// Remote-MTA: dns; mda.boreal.test
	// Diagnostic-Code: smtp; 250 2.1.5 Ok
	// Last-Attempt-Date: Mon, 23 Nov 2026 12:00:00 -0300
}
