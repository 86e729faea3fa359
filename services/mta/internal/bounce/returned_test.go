package bounce

import (
	"strings"
	"testing"
)

// What comes back, and as what: RFC 3461 §4.3, RFC 6522 §4, RFC 6533 §4.
func TestWhatIsReturned(t *testing.T) {
	const head = received + "Message-ID: <1@aurora.test>\r\nSubject: Oi\r\n"
	all := kinds(t)
	for name, want := range map[string][2]string{
		"failed":                               {"message/rfc822", original},
		"double bounce":                        {"message/rfc822", original},
		"failed RET=HDRS":                      {"text/rfc822-headers", head},
		"delayed":                              {"text/rfc822-headers", head}, // RET is about failures
		"delivered":                            {"text/rfc822-headers", head},
		"relayed":                              {"text/rfc822-headers", head},
		"expanded":                             {"text/rfc822-headers", head},
		"copy to the postmaster":               {"text/rfc822-headers", head},
		"long message":                         {"text/rfc822-headers", head},
		"binary message":                       {"text/rfc822-headers", "Subject: Oi\r\n"},
		"empty message":                        {"message/rfc822", ""},
		"SMTPUTF8 message":                     {"message/global", "From: João <joão@aurora.test>\r\nSubject: Olá\r\n\r\nOlá!\r\n"},
		"header of a SMTPUTF8 message":         {"message/global-headers", "From: João <joão@aurora.test>\r\nSubject: Olá\r\n"},
		"8 bits in the header and no SMTPUTF8": {"message/rfc822", "Subject: Ol\xe1\r\n\r\nOi\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := write(t, all[name]); got.Kind != want[0] || got.Returned != want[1] {
				t.Errorf("%s: %q", got.Kind, got.Returned)
			}
		})
	}
}

func TestHeaderIsMadeFitForAMIMEPart(t *testing.T) {
	long := "X: " + strings.Repeat("é", 1000)
	for name, test := range map[string][2]string{
		"a line that is too long": {long + "\r\nB: c\r\n", long[:997] + "\r\nB: c\r\n"},
		"control characters":      {"A: b\x00\x1b[0m\tc\rd\r\n", "A: b??[0m\tc?d\r\n"},
		"bare LF":                 {"A: b\nC: d\n\nE: f\n", "A: b\r\nC: d\r\n"},
		"no end":                  {"A: b\r\nX: " + strings.Repeat("x", MaxReturned), "A: b\r\n"},
		"cut off":                 {"A: b", "A: b\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := example(t)
			r.HeadersOnly, r.Message = true, strings.NewReader(test[0])
			if got := write(t, r); got.Returned != test[1] {
				t.Errorf("%q", got.Returned)
			}
		})
	}
}

// Who asked for the header alone got the text as well, where no empty line came
// before it.
func TestHeaderEndsWhereTheBodyBegins(t *testing.T) {
	const head = received + "Subject: Oi\r\n"
	for name, body := range map[string]string{
		"without an empty line":   "Bruno, a senha é 1234.\r\nNota: segredo\r\n",
		"with spaces in its name": "A senha do cofre: 1234\r\n",
		"behind a line of dashes": "---\r\nNota: segredo\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []Report{{Action: Failed, HeadersOnly: true}, {Action: Delayed}} {
				e := example(t)
				e.Action, e.HeadersOnly, e.Message = r.Action, r.HeadersOnly, strings.NewReader(head+body)
				if got := write(t, e); got.Returned != head || got.Kind != "text/rfc822-headers" {
					t.Errorf("%s: %s\n%s", r.Action, got.Kind, got.Returned)
				}
			}
		})
	}
}

func TestMessageIsReturnedUpToTheBound(t *testing.T) {
	const head = "Subject: Oi\r\n\r\n"
	for size, want := range map[int]string{MaxReturned: "message/rfc822", MaxReturned + 1: "text/rfc822-headers"} {
		body := strings.Repeat("line\r\n", size/6)
		body = body[:size-len(head)-len("\r\n")]
		body = strings.TrimSuffix(body, "\r") + strings.Repeat("x", len(body)-len(strings.TrimSuffix(body, "\r"))) + "\r\n"
		r := example(t)
		r.Message = strings.NewReader(head + body)
		if got := write(t, r); got.Kind != want || len(got.Returned) > MaxReturned {
			t.Errorf("of %d octets comes back: %s of %d", size, got.Kind, len(got.Returned))
		}
	}
}
