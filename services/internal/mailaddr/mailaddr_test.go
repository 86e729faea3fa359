package mailaddr_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"correio/services/internal/mailaddr"
)

func TestParse_Accepts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for in, want := range map[string][3]string{ // local, domain, String
		"ana@aurora.test":                           {"ana", "aurora.test", "ana@aurora.test"},
		"Ana.Maria+x@Aurora.TEST":                   {"Ana.Maria+x", "aurora.test", "Ana.Maria+x@aurora.test"},
		"ana@aurora.test.":                          {"ana", "aurora.test", "ana@aurora.test"},
		"!#$%&'*+-/=?^_`{|}~@a.test":                {"!#$%&'*+-/=?^_`{|}~", "a.test", "!#$%&'*+-/=?^_`{|}~@a.test"},
		`"ana"@aurora.test`:                         {"ana", "aurora.test", "ana@aurora.test"},
		`"a b"@aurora.test`:                         {"a b", "aurora.test", `"a b"@aurora.test`},
		`"a\"b\\c"@aurora.test`:                     {`a"b\c`, "aurora.test", `"a\"b\\c"@aurora.test`},
		`"a> SIZE=9 <b"@aurora.test`:                {"a> SIZE=9 <b", "aurora.test", `"a> SIZE=9 <b"@aurora.test`},
		`"x@y z"@aurora.test`:                       {"x@y z", "aurora.test", `"x@y z"@aurora.test`},
		`"a..b"@aurora.test`:                        {"a..b", "aurora.test", `"a..b"@aurora.test`},
		`"\a"@aurora.test`:                          {"a", "aurora.test", "a@aurora.test"},
		"ana@[198.18.2.25]":                         {"ana", "[198.18.2.25]", "ana@[198.18.2.25]"},
		"ana@[ipv6:2001:DB8:0:0::1]":                {"ana", "[IPv6:2001:db8::1]", "ana@[IPv6:2001:db8::1]"},
		"josé@CAFÉ.test":                            {"josé", "café.test", "josé@café.test"},
		"ana@xn--caf-dma.casos.test":                {"ana", "xn--caf-dma.casos.test", "ana@xn--caf-dma.casos.test"},
		"a@b":                                       {"a", "b", "a@b"},
		"postmaster":                                {"postmaster", "", "postmaster"},
		"PostMaster":                                {"PostMaster", "", "PostMaster"},
		long + "@a.test":                            {long, "a.test", long + "@a.test"},
		"a@" + strings.Repeat("b", 63):              {"a", strings.Repeat("b", 63), "a@" + strings.Repeat("b", 63)},
		"a@my_pc.test":                              {"a", "my_pc.test", "a@my_pc.test"},
		`"` + strings.Repeat(`\"`, 64) + `"@a.test`: {strings.Repeat(`"`, 64), "a.test", `"` + strings.Repeat(`\"`, 64) + `"@a.test`},
	} {
		a, err := mailaddr.Parse(in)
		if err != nil {
			t.Errorf("Parse(%q): %v", in, err)
			continue
		}
		if got := [3]string{a.Local, a.Domain, a.String()}; got != want {
			t.Errorf("Parse(%q) = %q, want %q", in, got, want)
		}
		if again, err := mailaddr.Parse(a.String()); err != nil || again != a {
			t.Errorf("Parse(%q) does not come back from %q: %v, %v", in, a, again, err)
		}
	}
}

// TestParse_Refuses holds rows 9 and 31 of behaviour §6.
func TestParse_Refuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "@", "a@", "@d", "ana", "postmaster@", "a@b@c", "a b@c.test", "a@b c", "a@b.test>", "<a@b.test>",
		`""@d.test`, `"@d.test`, `"a@d.test`, `"a"b@d.test`, `a"b"@d.test`, `"a\`, `"a\"@d.test`, `"a"`,
		".a@d.test", "a.@d.test", "a..b@d.test", "a,b@d.test", "a:b@d.test", "a\\b@d.test",
		"a@.test", "a@test..", "a@-x.test", "a@x-.test", "a@a..b", "a@.", "a@d!.test",
		"a@[1.2.3]", "a@[1.2.3.4", "a@1.2.3.4]", "a@[::1]", "a@[IPv6:1.2.3.4]", "a@[IPv6:fe80::1%eth0]", "a@[]", "a@[x:y]",
		"a@[198.18.2.25].", "a@[01.2.3.4]",
		"a\x00@d.test", "a\r\n@d.test", "\"a\r\n\"@d.test", "\"a\x7f\"@d.test", "\"\\\x01\"@d.test", "a@d\n.test",
		"a\xff@d.test", "\"a\xff\"@d.test", "a@\xffd.test", "a\u0085@d.test", "\"\u0085\"@d.test", "a\u00a0b@d.test", "a\u2028b@d.test",
		"a@d\u3002test", "a@d\uff0etest", "a@d\u202etest", "a@\u200b.test", "a@😀.test",
		"po\u017ftmaster", // folds to postmaster, and is another name
		strings.Repeat("a", 65) + "@d.test", "a@" + strings.Repeat("b", 64) + ".test",
		"a@" + strings.Repeat("b.", 128) + "test",
	} {
		if a, err := mailaddr.Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", in, a)
		}
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{ // Path, rest
		"<>":                                {"<>", ""},
		"<> SIZE=1":                         {"<>", " SIZE=1"},
		"<>>>":                              {"<>", ">>"},
		"<ana@aurora.test>":                 {"<ana@aurora.test>", ""},
		"<ana@aurora.test>x":                {"<ana@aurora.test>", "x"},
		"<Postmaster> NOTIFY=NEVER":         {"<Postmaster>", " NOTIFY=NEVER"},
		`<"a> SIZE=9 <b"@d.test> BODY=7BIT`: {`<"a> SIZE=9 <b"@d.test>`, " BODY=7BIT"},
		`<"a\"> X <"@d.test>`:               {`<"a\"> X <"@d.test>`, ""},
		"<@a.test:b@c.test>":                {"<b@c.test>", ""},
		"<@a.test,@[198.18.1.25],@[IPv6:2001:db8::1]:b@c.test>": {"<b@c.test>", ""},
	} {
		a, rest, err := mailaddr.ParsePath(in)
		if got := [2]string{a.Path(), rest}; err != nil || got != want {
			t.Errorf("ParsePath(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "<", ">", "ana@aurora.test", "<ana@aurora.test", "< ana@aurora.test>", "<ana@aurora.test >", "< >", "<<a@b>>",
		`<"a@d.test>`, "<@a.test>", "<@a.test:>", "<@a.test,b@c.test>", "<@a.test@b:c@d>", "<@a.test,:c@d>", "<@:c@d>", "<@[::1:c@d>", "<a.test:b@c>",
		"<@[198.18.1.25]b@c.test>", "<a\r\n@b.test>",
	} {
		if a, rest, err := mailaddr.ParsePath(in); err == nil {
			t.Errorf("ParsePath(%q) = %q, %q, want an error", in, a.Path(), rest)
		}
	}
	// RFC 5321 §4.5.3.1.3: 256 octets with the brackets.
	domain := strings.Repeat("b.", 94) + "test"
	path := "<" + strings.Repeat("a", 61) + "@" + domain + ">"
	if _, _, err := mailaddr.ParsePath(path); err != nil || len(path) != 256 {
		t.Errorf("a path of %d octets: %v", len(path), err)
	}
	if _, _, err := mailaddr.ParsePath("<a" + path[1:]); !errors.Is(err, mailaddr.ErrTooLong) {
		t.Errorf("a path of 257 octets: %v", err)
	}
}

// An Address that did not come from Parse must not break out of its line.
func TestString_OfAddressesMadeByHand(t *testing.T) {
	t.Parallel()
	for _, local := range []string{"a\r\nRCPT TO:<x@y>", "a\x00", "\xff", "", "a b", `"`, "\u0085", "\u2028"} {
		got := mailaddr.Address{Local: local, Domain: "d.test"}.String()
		if strings.ContainsFunc(got, unicode.IsControl) || strings.Contains(got, "\u2028") || !strings.HasPrefix(got, `"`) {
			t.Errorf("%q is written %q", local, got)
		}
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a@[198.18.2.25]": "198.18.2.25", "a@[IPv6:2001:db8::1]": "2001:db8::1", "a@d.test": "invalid IP", "postmaster": "invalid IP",
	} {
		a, err := mailaddr.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if ip, ok := a.Literal(); ip.String() != want || ok != ip.IsValid() {
			t.Errorf("%s: %v, %v", in, ip, ok)
		}
	}
}

func TestASCII(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{"a@b.test": true, "é@b.test": false, "a@é.test": false} {
		if a, err := mailaddr.Parse(in); err != nil || a.ASCII() != want {
			t.Errorf("%s: %v, %v", in, a.ASCII(), err)
		}
	}
}

func seed(f *testing.F) {
	for _, s := range []string{
		"ana@aurora.test", `"a\"> X=1 <b"@d.test`, "a@[IPv6:::ffff:1.2.3.4]", "İ@İ.test", "<@a,@b:c@d>", "<>", `<""@d>`,
		"joão@café.test", "joa\u0303o@CAFE\u0301.test", "ana＠x@aurora.test", "ana@aurora．test", "ana@xn--caf-dma.é", "\u212aarla@\u212a.test",
		"a\u200db@au\u200drora.test", "a\u202eb@x.test", "ana@דואר.test", "ana@auroraדואר.test", `"é à"@d.test`, "👩\u200d🚀@d.test",
		"Postmaster", "<Postmaster> SIZE=1", "a@Ⱥ.test", "\"\xff\"@d", "<\"\\>\"@d>",
	} {
		f.Add(s)
	}
}

// check is what must be true of every address that was read.
func check(t *testing.T, in string, a mailaddr.Address) {
	t.Helper()
	s := a.String()
	again, err := mailaddr.Parse(s)
	if err != nil || again != a {
		t.Fatalf("%q is read as %#v, written %q, and read as %#v, %v", in, a, s, again, err)
	}
	if strings.ContainsFunc(s, unicode.IsControl) || len(a.Local) > mailaddr.MaxLocal || len(a.Domain) > mailaddr.MaxDomain {
		t.Fatalf("%q is read as %#v", in, a)
	}
	b := a.ALabels()
	if back, err := mailaddr.Parse(b.String()); err != nil || back != b || b.Local != a.Local || b.ALabels() != b || !mailaddr.SameDomain(a.Domain, b.Domain) {
		t.Fatalf("%q is read as %#v, in A-labels %#v, read back as %#v, %v", in, a, b, back, err)
	}
	if f := mailaddr.Fold(a.Local); mailaddr.Fold(f) != f {
		t.Fatalf("%q folds to %q, and that to %q", a.Local, f, mailaddr.Fold(f))
	}
	path, rest, err := mailaddr.ParsePath(a.Path())
	if errors.Is(err, mailaddr.ErrTooLong) && len(a.Path()) > mailaddr.MaxPath {
		return
	}
	if err != nil || path != a || rest != "" {
		t.Fatalf("%q is read as %#v, and its path %q as %#v, %q, %v", in, a, a.Path(), path, rest, err)
	}
}

func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in string) {
		if a, err := mailaddr.Parse(in); err == nil {
			check(t, in, a)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in string) {
		a, rest, err := mailaddr.ParsePath(in)
		if err != nil {
			return
		}
		if !strings.HasSuffix(in, ">"+rest) || !strings.HasPrefix(in, "<") {
			t.Fatalf("%q leaves %q", in, rest)
		}
		if !a.Null() {
			check(t, in, a)
		}
	})
}
