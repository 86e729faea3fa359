package trace

import (
	"bytes"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"time"

	"correio/services/internal/mailaddr"
)

func read(message string, step int) Header {
	var h Header
	for b := []byte(message); len(b) > 0; {
		n := min(step, len(b))
		h.Write(b[:n])
		b = b[n:]
	}
	h.End()
	return h
}

func TestHeader(t *testing.T) {
	for _, test := range []struct {
		name, message string
		want          Header
	}{
		{"ordinary", "Received: a\r\n\tb\r\nreceived: c\r\nDATE: x\r\nMessage-Id: <1@a.test>\r\n\r\nReceived: body\r\n",
			Header{Received: 2, HasDate: true, HasID: true, MessageID: "1@a.test"}},
		{"folded Message-ID", "Message-ID:\r\n <1@a.test>\r\n\r\n", Header{HasID: true, MessageID: "1@a.test"}},
		{"malformed Message-ID", "Message-ID: 1@a.test\r\n\r\n", Header{HasID: true}},
		{"Message-ID with a space", "Message-ID: <1 @a.test>\r\n\r\n", Header{HasID: true}},
		{"two of them: the first counts", "Message-ID: <1@a>\r\nMessage-ID: <2@a>\r\n <3@a>\r\n\r\n", Header{HasID: true, MessageID: "1@a"}},
		{"typed without a header", "Oi, Bruno!\r\nDate: no\r\n", Header{Bare: true}},
		{"begins with a space", " Oi\r\n", Header{Bare: true}},
		{"begins with an empty line", "\r\nDate: no\r\n", Header{}},
		{"empty", "", Header{}},
		{"without a body or a last line end", "Date: x", Header{HasDate: true}},
		{"eight bits in the body", "Date: x\r\n\r\nç", Header{HasDate: true, EightBit: true}},
		{"a colon behind a space is no field name", "Oi Bruno: tudo bem?\r\n", Header{Bare: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []int{1, 3, 1000} {
				got := read(test.message, step)
				if got.Received != test.want.Received || got.MessageID != test.want.MessageID || got.HasID != test.want.HasID ||
					got.HasDate != test.want.HasDate || got.Bare != test.want.Bare || got.EightBit != test.want.EightBit {
					t.Errorf("in steps of %d: got %+v, want %+v", step, got, test.want)
				}
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{"Received: a\r\n\r\n", "Message-ID: <a@b>\n", " x\n:\n", "\xff\r\r\n", strings.Repeat("a", 3000) + ": b\nDate: x\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		a, b := read(message, 1), read(message, 4096)
		if a.Received != b.Received || a.MessageID != b.MessageID || a.HasDate != b.HasDate || a.Bare != b.Bare || a.EightBit != b.EightBit {
			t.Fatalf("%q: %+v octet by octet, %+v at once", message, a, b)
		}
		if strings.ContainsAny(a.MessageID, "<> \r\n\t") || len(a.MessageID) > 250 {
			t.Fatalf("%q: Message-ID %q", message, a.MessageID)
		}
	})
}

func TestReceivedLine(t *testing.T) {
	hop := Hop{
		Hello: "pc.aurora.test", From: netip.MustParseAddr("198.18.1.100"), By: "mx1.aurora.test", With: With(true, false, false, false),
		ID: "4F0A1122CC", For: mailaddr.Address{Local: "x y", Domain: "boreal.test"}, Time: time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC),
	}
	want := "Received: from pc.aurora.test ([198.18.1.100])\r\n\tby mx1.aurora.test (Correio) with ESMTP id 4F0A1122CC\r\n" +
		"\tfor <\"x y\"@boreal.test>;\r\n\tTue, 3 Nov 2026 12:00:00 +0000\r\n"
	if got := hop.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for to, want := range map[mailaddr.Address]string{
		{Local: "ana", Domain: "café.casos.test"}: "\tfor <ana@xn--caf-dma.casos.test>;\r\n",
		{Local: "joão", Domain: "boreal.test"}:    " id 4F0A1122CC;\r\n", // a trace line stays ASCII
	} {
		hop.For = to
		if got := hop.String(); !strings.Contains(got, want) {
			t.Errorf("for %s: got\n%s\nwant %q in it", to, got, want)
		}
	}
	hop.Hello, hop.For = "evil\r\nX: y (z)", mailaddr.Address{}
	m, err := mail.ReadMessage(bytes.NewReader([]byte(hop.String() + "\r\n")))
	if err != nil || len(m.Header) != 1 {
		t.Errorf("%v, %v", m, err)
	}
}

func TestWithKeywords(t *testing.T) {
	for want, got := range map[string]string{
		"SMTP": With(false, false, false, false), "ESMTP": With(true, false, false, false), "ESMTPS": With(true, true, false, false),
		"ESMTPA": With(true, false, true, false), "ESMTPSA": With(true, true, true, false), "UTF8SMTPSA": With(true, true, true, true),
		"UTF8SMTP": With(true, false, false, true), "UTF8SMTPS": With(true, true, false, true), "UTF8SMTPA": With(true, false, true, true),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHeaderKnowsWhereAMessageHasBeen(t *testing.T) {
	const message = "Delivered-To: todos@boreal.test\r\nList-Id: Equipe\r\n\t<equipe.boreal.test>\r\nDelivered-To: ana@aurora.test\r\n\r\n"
	h := read(message, 5)
	if strings.Join(h.DeliveredTo, "|") != "todos@boreal.test|ana@aurora.test" || strings.Join(h.ListIDs, "|") != "Equipe <equipe.boreal.test>" {
		t.Errorf("%q, %q", h.DeliveredTo, h.ListIDs)
	}
}

// The octets are looked at eight at a time: one above 127 is found wherever it is.
func TestEightBitIsSeenAnywhere(t *testing.T) {
	for size := range 20 {
		p := bytes.Repeat([]byte{0x7f}, size)
		if eightBit(p) {
			t.Errorf("%d octets of seven bits", size)
		}
		for i := range p {
			p[i] = 0x80
			if !eightBit(p) {
				t.Errorf("octet %d of %d", i, size)
			}
			p[i] = 0x7f
		}
	}
}
