package dsn_test

import (
	"strings"
	"testing"
	"unicode"

	"correio/services/internal/dsn"
	"correio/services/internal/mailaddr"
)

// RFC 3461 §4.1: NEVER stands alone, and without NOTIFY failures and delays are
// told, successes are not.
func TestWhoWantsToHearOfWhat(t *testing.T) {
	for notify, want := range map[string]string{
		"": "FAILURE DELAY", "NEVER": "", "SUCCESS": "SUCCESS", "FAILURE": "FAILURE", "DELAY": "DELAY",
		"SUCCESS,FAILURE,DELAY": "SUCCESS FAILURE DELAY", "success,delay": "SUCCESS DELAY",
	} {
		var got []string
		for _, event := range []string{dsn.Success, dsn.Failure, dsn.Delay} {
			if dsn.Wants(notify, event) {
				got = append(got, event)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("NOTIFY=%s: %q, want %q", notify, got, want)
		}
	}
}

func TestOriginalRecipientInEachForm(t *testing.T) {
	for _, test := range []struct{ orcpt, ascii, global string }{
		{"rfc822;bruno@boreal.test", "rfc822; bruno@boreal.test", "rfc822; bruno@boreal.test"},
		{"rfc822;bru+2Bno@x.test", "rfc822; bru+no@x.test", "rfc822; bru+no@x.test"},
		{"RFC822;Bruno@Boreal.test", "RFC822; Bruno@Boreal.test", "RFC822; Bruno@Boreal.test"}, // as given
		{"x400;/C=BR/", "x400; /C=BR/", "x400; /C=BR/"},
		{`utf-8;jo\x{E3}o@boreal.test`, `utf-8; jo\x{E3}o@boreal.test`, "utf-8; joão@boreal.test"},
		{"utf-8;joão@boreal.test", `utf-8; jo\x{E3}o@boreal.test`, "utf-8; joão@boreal.test"},
		{`utf-8;a\x{2B}b@x.test`, `utf-8; a\x{2B}b@x.test`, "utf-8; a+b@x.test"},
		{"rfc822;a+0D+0Ab", "rfc822; a+0D+0Ab", "rfc822; a+0D+0Ab"},                          // what it stands for fits no header
		{"rfc822;a+C3+A3", "rfc822; a+C3+A3", "rfc822; a+C3+A3"},                             // nor this
		{`utf-8;a\x{0A}b`, `utf-8; a\x{0A}b`, `utf-8; a\x{0A}b`},                             // nor this
		{`utf-8;\x{110000}\x{}`, `utf-8; \x{5C}x{110000}\x{5C}x{}`, `utf-8; \x{110000}\x{}`}, // no characters
		{"", "", ""}, {";", "", ""}, {"rfc822;", "", ""}, {";x", "", ""}, {"a\r\nb;x", "", ""}, {"rfc822;\r\n", "", ""},
	} {
		for global, want := range map[bool]string{false: test.ascii, true: test.global} {
			if got, ok := dsn.Field(test.orcpt, global); got != want || ok != (want != "") {
				t.Errorf("Field(%q, %t) = %q, %t, want %q", test.orcpt, global, got, ok, want)
			}
		}
	}
}

func TestAddressesComeBackFromORCPT(t *testing.T) {
	for in, want := range map[string]string{
		"bruno@boreal.test": "rfc822;bruno@boreal.test", "a+b=c@x.test": "rfc822;a+2Bb+3Dc@x.test", `"a b"@x.test`: `rfc822;"a+20b"@x.test`,
		"joão@boreal.test": `utf-8;jo\x{E3}o@boreal.test`, "a+ã@x.test": `utf-8;a\x{2B}\x{E3}@x.test`, "😀@x.test": `utf-8;\x{1F600}@x.test`,
	} {
		a, err := mailaddr.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		orcpt := dsn.Original(a)
		if orcpt != want {
			t.Errorf("Original(%s) = %s, want %s", in, orcpt, want)
		}
		if back, _ := dsn.Field(orcpt, true); !strings.HasSuffix(back, "; "+in) {
			t.Errorf("%s comes back as %q", in, back)
		}
		if got := dsn.International(orcpt); got == a.ASCII() {
			t.Errorf("International(%s) = %t", orcpt, got)
		}
	}
	if got := dsn.SevenBit("utf-8;joão@x.test"); got != `utf-8;jo\x{E3}o@x.test` {
		t.Errorf("in 7 bits: %s", got)
	}
	if got := dsn.SevenBit("rfc822;a+2B@x.test"); got != "rfc822;a+2B@x.test" {
		t.Errorf("7 bits changed %s", got)
	}
}

func TestEnvelopeIDIsDecodedIfAHeaderCanHoldIt(t *testing.T) {
	for in, want := range map[string]string{
		"QQ314159": "QQ314159", "a+2Bb+3D": "a+b=", "a+20b": "a b", "+0D+0A": "+0D+0A", "+20": "+20", "+C3+A3": "+C3+A3", "+zz": "+zz", "": "",
	} {
		if got := dsn.EnvID(in); got != want {
			t.Errorf("EnvID(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWhatPeopleAskFor(t *testing.T) {
	for name, test := range map[string]struct {
		read func(string) (string, bool)
		want map[string]string // "" is refused
	}{
		"notify": {dsn.Notify, map[string]string{
			"never": "NEVER", "success,Failure": "SUCCESS,FAILURE", "DELAY": "DELAY", "": "", "never,delay": "", "success,success": "", "all": "", "success, delay": "",
		}},
		"ret": {dsn.Ret, map[string]string{"hdrs": "HDRS", "Full": "FULL", "": "", "none": ""}},
		"envid": {dsn.EncodeEnvID, map[string]string{
			"aula 1": "aula+201", "a+b": "a+2Bb", "": "", " a": "", "a\r\nb": "", "aç": "", strings.Repeat("x", 100): strings.Repeat("x", 100), strings.Repeat("x", 101): "",
		}},
	} {
		for in, want := range test.want {
			if got, ok := test.read(in); ok != (want != "") || ok && got != want {
				t.Errorf("%s %q: %q, %t, want %q", name, in, got, ok, want)
			}
		}
	}
}

func FuzzFieldNeverBreaksItsLine(f *testing.F) {
	f.Add("rfc822;a+40b")
	f.Add(`utf-8;jo\x{E3}o`)
	f.Add("utf-8;\xff\\x{D800}")
	f.Fuzz(func(t *testing.T, orcpt string) {
		for _, global := range []bool{false, true} {
			field, _ := dsn.Field(orcpt, global)
			if strings.ContainsFunc(field, unicode.IsControl) || strings.ContainsRune(field, unicode.ReplacementChar) && !strings.ContainsRune(orcpt, unicode.ReplacementChar) {
				t.Errorf("Field(%q, %t) = %q", orcpt, global, field)
			}
		}
		dsn.SevenBit(orcpt)
	})
}
