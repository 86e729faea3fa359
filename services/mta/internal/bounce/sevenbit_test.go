package bounce

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"

	"correio/services/internal/text"
	"correio/services/mta/internal/bounce/bouncetest"
)

// written writes a report.
func written(t testing.TB, r Report) (raw []byte, eightBit bool) {
	t.Helper()
	var out bytes.Buffer
	eightBit, err := Write(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), eightBit
}

// A report about 8-bit mail was in 8 bits whoever it went to, and a host without
// 8BITMIME never got it: RFC 6522 §3, 7 bits are always enough.
func TestReportsOfEveryKindCanBeInSevenBits(t *testing.T) {
	const (
		head   = received + "Message-ID: <1@aurora.test>\r\nSubject: Oi\r\n"
		global = "From: João <joão@aurora.test>\r\nSubject: Olá\r\n"
	)
	want := map[string][2]string{ // what comes back; the others are in 7 bits anyway, or have returned what is
		"failed": {"text/rfc822-headers", head}, "expired": {"text/rfc822-headers", head}, "double bounce": {"text/rfc822-headers", head},
		"address not ASCII": {"text/rfc822-headers", head}, "original recipient not ASCII": {"text/rfc822-headers", head},
		"SMTPUTF8 message": {"message/global", global + "\r\nOlá!\r\n"}, "header of a SMTPUTF8 message": {"message/global-headers", global},
		"8 bits in the header and no SMTPUTF8": {"text/rfc822-headers", "Subject: Ol\xe1\r\n"},
	}
	for name, r := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			raw, eightBit := written(t, r)
			seven, ok := SevenBit(raw)
			if name == "sender not ASCII" { // needs SMTPUTF8, and who offers that offers 8BITMIME
				if ok {
					t.Error("its header is in 7 bits")
				}
				return
			}
			if eightBit != (want[name][0] != "") || !ok || !text.IsASCII(seven) || !eightBit && !bytes.Equal(seven, raw) {
				t.Fatalf("8 bits: %t; in 7 bits: %t\n%s", eightBit, ok, seven)
			}
			got, err := bouncetest.Parse(seven)
			if err != nil {
				t.Fatalf("%v\n%s", err, seven)
			}
			if _, err := mail.ReadMessage(bytes.NewReader(seven)); err != nil {
				t.Errorf("net/mail: %v", err)
			}
			if n, err := messageParts(seven); n != 3 || err != nil {
				t.Errorf("go-message: %d parts, %v", n, err)
			}
			before, err := bouncetest.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if got.Text != before.Text || got.Type != "message/delivery-status" || len(got.Recipients) != len(before.Recipients) {
				t.Errorf("%s about %d\n%s", got.Type, len(got.Recipients), got.Text)
			}
			if w := want[name]; eightBit && (got.Kind != w[0] || got.Returned != w[1]) {
				t.Errorf("%s: %q", got.Kind, got.Returned)
			}
		})
	}
}

// RFC 6533 §3: in 7 bits an address is a utf-8-addr-xtext.
func TestAddressesThatAreNotASCIIInSevenBits(t *testing.T) {
	all := kinds(t)
	other := all["address not ASCII"]
	other.Recipients = append([]Recipient{}, other.Recipients...)
	other.Recipients[0].ORcpt = "x400;joão"
	long := all["address not ASCII"]
	long.Recipients = append([]Recipient{}, long.Recipients...)
	long.Recipients[0].ORcpt = "utf-8;" + strings.Repeat("ã", 300) + "@x.test"
	for _, test := range []struct {
		r                      Report
		original, final, reply string
	}{
		{all["address not ASCII"], `utf-8; jo\x{E3}o@x.test`, `utf-8; jo\x{E3}o@boreal.test`, "smtp; 550 5.1.1 Jo?o n?o existe"},
		{all["original recipient not ASCII"], `utf-8; jo\x{E3}o@x.test`, "rfc822; bruno@boreal.test", "smtp; 550 5.1.1 Jo?o n?o existe"},
		{other, "", `utf-8; jo\x{E3}o@boreal.test`, "smtp; 550 5.1.1 Jo?o n?o existe"},
		{long, "", `utf-8; jo\x{E3}o@boreal.test`, "smtp; 550 5.1.1 Jo?o n?o existe"},
	} {
		test.r.Message = strings.NewReader(original)
		raw, _ := written(t, test.r)
		seven, _ := SevenBit(raw)
		got, err := bouncetest.Parse(seven)
		if err != nil {
			t.Fatalf("%v\n%s", err, seven)
		}
		if f := got.Recipients[0]; f.Get("Original-Recipient") != test.original || f.Get("Final-Recipient") != test.final || f.Get("Diagnostic-Code") != test.reply {
			t.Errorf("%v, want %s, %s, %s", f, test.original, test.final, test.reply)
		}
	}
}

func TestWhatIsNoReportOfOursStaysAsItIs(t *testing.T) {
	raw, _ := written(t, example(t))
	whole := string(raw)
	for name, message := range map[string]string{
		"empty":                "",
		"text":                 "Subject: Oi\r\n\r\nOlá\r\n",
		"a report in the body": "Subject: Oi\r\n\r\n" + whole,
		"another multipart":    strings.Replace(whole, "multipart/report", "multipart/mixed", 1),
		"cut off":              whole[:len(whole)-20],
		"a part too many":      strings.Replace(whole, "\r\n--b0undary\r\n", "\r\n--b0undary\r\n\r\n--b0undary\r\n", 1),
		"no boundary":          strings.Replace(whole, "boundary=\"b0undary\"", "boundary=\"\"", 1),
	} {
		if seven, ok := SevenBit([]byte(message)); ok {
			t.Errorf("%s becomes\n%s", name, seven)
		}
	}
}
