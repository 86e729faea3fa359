package bounce

import (
	"bytes"
	"errors"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
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

const original = "Received: by x\r\nMessage-ID: <1@aurora.test>\r\nSubject: Oi\r\n\r\nOlá.\r\n.\r\n"

func example(t testing.TB) Report {
	return Report{
		Action: Failed, MTA: "mx1.aurora.test", From: address(t, "postmaster@aurora.test"), To: address(t, "ana@aurora.test"),
		MessageID: "R1@mx1.aurora.test", Date: day, Boundary: "b0undary",
		Queue: "4F0A1122CC", Arrived: day.Add(-time.Hour), EnvID: "QQ+2B1", OriginalID: "1@aurora.test",
		Recipients: []Recipient{
			{To: address(t, "bruno@boreal.test"), ORcpt: "rfc822;bru+2Bno@x.test", Host: "mx1.boreal.test", At: day,
				Reply: reply.Reply{Code: 550, Enhanced: reply.Enhanced{5, 1, 1}, Lines: []string{"No such\r\nX-Evil: yes", strings.Repeat("word ", 50)}}},
			{To: address(t, "x@nx.casos.test"), Reply: reply.New(550, "5.1.2", "Domain nx.casos.test does not exist"), At: day},
		},
		Size: int64(len(original)), EightBit: true, Message: strings.NewReader(original),
	}
}

// parts parses a report strictly and returns its header, and its three parts
// decoded with their content types.
func parts(t *testing.T, raw []byte) (message.Header, []string, []string) {
	t.Helper()
	if bytes.Contains(bytes.ReplaceAll(raw, []byte("\r\n"), nil), []byte("\n")) {
		t.Error("a bare LF")
	}
	if _, err := mail.ReadMessage(bytes.NewReader(raw)); err != nil {
		t.Fatalf("net/mail: %v", err)
	}
	entity, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("go-message: %v", err)
	}
	var types, bodies []string
	mr := entity.MultipartReader()
	if mr == nil {
		t.Fatalf("not multipart:\n%s", raw)
	}
	for {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return entity.Header, types, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := p.Header.ContentType()
		if err != nil {
			t.Fatal(err)
		}
		types, bodies = append(types, kind), append(bodies, string(body))
	}
}

// behaviour.md §6 rows 17 and 18: strict parsers read it, and it has 3 parts.
func TestRow18ReportHasThreePartsThatStrictParsersRead(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, example(t)); err != nil {
		t.Fatal(err)
	}
	h, types, bodies := parts(t, out.Bytes())
	if got := strings.Join(types, " "); got != "text/plain message/delivery-status message/rfc822" {
		t.Fatalf("parts: %s", got)
	}
	if kind, params, err := h.ContentType(); err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Errorf("content type %s %v %v", kind, params, err)
	}
	if id := h.Get("Message-Id"); id != "<R1@mx1.aurora.test>" {
		t.Errorf("Message-ID %q", id)
	}
	if s, err := h.Text("Subject"); err != nil || s != "A mensagem não pôde ser entregue / Mail could not be delivered" {
		t.Errorf("Subject %q %v", s, err)
	}
	for _, want := range []string{"<bruno@boreal.test>", "mx1.boreal.test respondeu: 550 5.1.1", "mx1.boreal.test said: 550 5.1.1",
		"motivo: 550 5.1.2 Domain nx.casos.test does not exist", "não haverá nova tentativa", "4F0A1122CC"} {
		if !strings.Contains(bodies[0], want) {
			t.Errorf("the text lacks %q:\n%s", want, bodies[0])
		}
	}
	if bodies[2] != original {
		t.Errorf("returned %q", bodies[2])
	}
}

// groups reads the blocks of header fields that a delivery status consists of.
func groups(t *testing.T, status string) []textproto.Header {
	t.Helper()
	var list []textproto.Header
	for block := range strings.SplitSeq(strings.TrimRight(status, "\r\n"), "\r\n\r\n") {
		h, err := mail.ReadMessage(strings.NewReader(block + "\r\n\r\n"))
		if err != nil {
			t.Fatalf("%q: %v", block, err)
		}
		var th textproto.Header
		for k, v := range h.Header {
			th.Set(k, v[0])
		}
		list = append(list, th)
	}
	return list
}

func TestDeliveryStatusFields(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, example(t)); err != nil {
		t.Fatal(err)
	}
	_, _, bodies := parts(t, out.Bytes())
	g := groups(t, bodies[1])
	if len(g) != 3 {
		t.Fatalf("%d groups, want one for the message and one for each recipient", len(g))
	}
	for i, want := range []map[string]string{
		{"Reporting-Mta": "dns; mx1.aurora.test", "Original-Envelope-Id": "QQ+1", "Arrival-Date": "Mon, 23 Nov 2026 11:00:00 -0300"},
		{"Final-Recipient": "rfc822; bruno@boreal.test", "Original-Recipient": "rfc822; bru+no@x.test", "Action": "failed",
			"Status": "5.1.1", "Remote-Mta": "dns; mx1.boreal.test", "X-Evil": ""},
		{"Final-Recipient": "rfc822; x@nx.casos.test", "Status": "5.1.2", "Remote-Mta": "", "Action": "failed"},
	} {
		for k, v := range want {
			if got := g[i].Get(k); got != v {
				t.Errorf("group %d: %s is %q, want %q", i, k, got, v)
			}
		}
	}
	if d := g[1].Get("Diagnostic-Code"); !strings.HasPrefix(d, "smtp; 550 5.1.1 No such  X-Evil: yes / word word") {
		t.Errorf("Diagnostic-Code %q", d)
	}
}

func TestDelayNoticeSaysUntilWhen(t *testing.T) {
	r := example(t)
	r.Action = Delayed
	r.Recipients = []Recipient{{To: address(t, "joão@boreal.test"), Reply: reply.Reply{Code: 421, Lines: []string{"Busy"}}, At: day, Until: day.Add(116 * time.Hour)}}
	var out bytes.Buffer
	if err := Write(&out, r); err != nil {
		t.Fatal(err)
	}
	_, _, bodies := parts(t, out.Bytes())
	g := groups(t, bodies[1])[1]
	if g.Get("Action") != "delayed" || g.Get("Status") != "4.0.0" || g.Get("Will-Retry-Until") != "Sat, 28 Nov 2026 08:00:00 -0300" {
		t.Errorf("status\n%s", bodies[1])
	}
	if got := g.Get("Final-Recipient"); got != `utf-8; jo\x{E3}o@boreal.test` {
		t.Errorf("Final-Recipient %q", got)
	}
	if !strings.Contains(bodies[0], "haverá tentativas até 2026-11-28 08:00") {
		t.Errorf("text\n%s", bodies[0])
	}
}

func TestOnlyTheHeaderComesBack(t *testing.T) {
	const header = "Received: by x\r\nMessage-ID: <1@aurora.test>\r\nSubject: Oi\r\n"
	for name, change := range map[string]func(*Report){
		"as RET=HDRS wants": func(r *Report) { r.HeadersOnly = true },
		"of a long message": func(r *Report) {
			r.Size = MaxReturned + 1
			r.Message = io.MultiReader(strings.NewReader(original), strings.NewReader(strings.Repeat("x", MaxReturned)))
		},
		"of a header without an end": func(r *Report) {
			r.Size = 1 << 20
			r.Message = io.MultiReader(strings.NewReader(header), strings.NewReader(strings.Repeat("x", 1<<20)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := example(t)
			change(&r)
			var out bytes.Buffer
			if err := Write(&out, r); err != nil {
				t.Fatal(err)
			}
			_, types, bodies := parts(t, out.Bytes())
			if types[2] != "text/rfc822-headers" || !strings.HasPrefix(bodies[2], header) || strings.Contains(bodies[2], "Ol") ||
				len(bodies[2]) > MaxReturned {
				t.Errorf("%s of %d octets", types[2], len(bodies[2]))
			}
		})
	}
}

func TestBrokenSourceFails(t *testing.T) {
	r := example(t)
	r.Message = io.MultiReader(strings.NewReader("A: b\r\n"), brokenReader{})
	if err := Write(io.Discard, r); err == nil {
		t.Error("a message that cannot be read was reported as returned")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func FuzzReportStaysWellFormed(f *testing.F) {
	f.Add("No such user", "QQ+2B", "rfc822;a+40b", "1@x")
	f.Add("a\r\n\r\nX: y", "+0D+0A", ";", "<>\r\n")
	f.Fuzz(func(t *testing.T, said, envid, orcpt, id string) {
		r := example(t)
		r.Recipients = r.Recipients[:1]
		r.Recipients[0].Reply.Lines = []string{said}
		r.Recipients[0].ORcpt, r.EnvID, r.OriginalID = orcpt, envid, id
		var out bytes.Buffer
		if err := Write(&out, r); err != nil {
			t.Fatal(err)
		}
		_, types, bodies := parts(t, out.Bytes())
		if len(types) != 3 || len(groups(t, bodies[1])) != 2 {
			t.Fatalf("%d parts\n%s", len(types), out.String())
		}
	})
}
