package mailaddr_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"correio/services/internal/mailaddr"
)

func TestToASCII(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"café.casos.test":              "xn--caf-dma.casos.test",
		"CAFÉ.Casos.test":              "xn--caf-dma.casos.test",
		"cafe\u0301.casos.test":        "xn--caf-dma.casos.test", // NFD, as some keyboards write it
		"café.casos.test.":             "xn--caf-dma.casos.test.",
		"xn--caf-dma.café.test":        "xn--caf-dma.xn--caf-dma.test",
		"_dmarc.café.test":             "_dmarc.xn--caf-dma.test",
		"straße.test":                  "xn--strae-oqa.test", // IDNA2008: not strasse
		"correio.例え.test":              "correio.xn--r8jz45g.test",
		"דואר.test":                    "xn--4dbfg1f.test",
		"نامه\u200cای.test":            "xn--mgba3gch31f060k.test", // a joiner where Persian needs one
		"Aurora.TEST":                  "Aurora.TEST",              // in ASCII: as it is
		"[198.18.1.25]":                "[198.18.1.25]",
		"xn--fake-.test":               "xn--fake-.test",
		strings.Repeat("é", 40) + ".t": "xn--9caaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.t", // 80 octets, and 43 in DNS
		"":                             "",
	} {
		got, err := mailaddr.ToASCII(in)
		if err != nil || got != want {
			t.Errorf("ToASCII(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// TestNothingIsNormalisedIntoAnotherDomain: what looks like an "@" or a dot, or
// like the letters of a domain, never becomes them. Where UTS 46 would map, we
// refuse.
func TestNothingIsNormalisedIntoAnotherDomain(t *testing.T) {
	t.Parallel()
	for name, domain := range map[string]string{
		"full-width full stop":                   "aurora\uff0etest",
		"ideographic full stop":                  "aurora\u3002test",
		"half-width ideographic full stop":       "aurora\uff61test",
		"one dot leader":                         "aurora\u2024test",
		"full-width letters":                     "ａｕｒｏｒａ.test",
		"kelvin sign, which folds to k":          "\u212aafka.test",
		"dotted capital i, which folds to i":     "\u0130talia.test",
		"long s":                                 "ca\u017fos.test",
		"ligature fi":                            "o\ufb01cina.test",
		"superscript":                            "mx\u00b9.test",
		"mathematical letter":                    "\U0001d41aurora.test",
		"full-width @":                           "x\uff20aurora.test",
		"small commercial at":                    "x\ufe6baurora.test",
		"zero-width joiner between Latin":        "au\u200drora.test",
		"zero-width non-joiner between Latin":    "au\u200crora.test",
		"zero-width space":                       "au\u200brora.test",
		"soft hyphen, which UTS 46 drops":        "au\u00adrora.test",
		"byte order mark":                        "\ufeffaurora.test",
		"variation selector, which UTS 46 drops": "aurora\ufe0f.test",
		"right-to-left override":                 "\u202eaurora.test",
		"right-to-left isolate":                  "\u2067aurora.test",
		"Hebrew and Latin in one label":          "auroraדואר.test",
		"Hebrew that ends in a Latin letter":     "דוארa.test",
		"a label that begins with a mark":        "\u0301aurora.test",
		"emoji":                                  "😀.test",
		"Greek question mark, NFC of ;":          "a\u037eb.test",
		"no UTF-8":                               "caf\xe9.test",
		"an A-label that is none, beside é":      "xn--a.é.test",
		"an A-label of ASCII alone, beside é":    "xn--aurora-.é.test",
		"hyphens where A-labels have them":       "ab--é.test",
		"longer than 63 octets in DNS":           strings.Repeat("éã", 31) + ".test",
		"longer than 253 octets in DNS":          strings.Repeat("é.", 60) + "test",
		"an empty label":                         "é..test",
		"a space":                                "é .test",
		"a line end":                             "é\r\n.test",
		"a bracket":                              "é>.test",
	} {
		if got, err := mailaddr.ToASCII(domain); !errors.Is(err, mailaddr.ErrIDN) {
			t.Errorf("%s: ToASCII(%q) = %q, %v, want ErrIDN", name, domain, got, err)
		}
		if a, err := mailaddr.Parse("ana@" + domain); err == nil {
			t.Errorf("%s: Parse reads %q", name, a)
		}
		if mailaddr.IsDomain(domain) {
			t.Errorf("%s: IsDomain(%q)", name, domain)
		}
	}
}

// TestLocalPartKeepsItsOctets: the same smuggling, in the other part. What
// looks like an "@" is no "@", and nothing is normalised away.
func TestLocalPartKeepsItsOctets(t *testing.T) {
	t.Parallel()
	for _, local := range []string{
		"joão", "JOÃO", "joa\u0303o", "ana\uff20boreal.test", "ana\ufe6bx", "ana\uff0emaria", "a\u200db", "a\u200cb", "\u212aarla",
		"用户", "نامه", "👩\u200d🚀", "a\u037eb",
	} {
		a, err := mailaddr.Parse(local + "@aurora.test")
		if err != nil || a.Local != local || a.Domain != "aurora.test" || a.String() != local+"@aurora.test" {
			t.Errorf("%q is read as %#v, %v", local, a, err)
		}
		if b := a.ALabels(); b != a {
			t.Errorf("%q changes into %q", a, b)
		}
	}
	for _, in := range []string{
		"ana\uff20boreal.test", // no "@" at all
		"a\u200b@x.test", "a\u202eb@x.test", "a\u2066b@x.test", "\ufeffa@x.test", "a\u00adb@x.test", "a\u061cb@x.test", "\"a\u202eb\"@x.test",
	} {
		if a, err := mailaddr.Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q", in, a)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ana": "ana", "JOÃO": "joão", "Joa\u0303o": "joão", "João": "joão", "": "",
		"\u212aarla": "\u212aarla", "\u0130": "\u0130", "a\u037e": "a\u037e", "\u1fef": "\u1fef",
		"a\u200db": "a\u200db", "ﬁ": "ﬁ", "ａna": "ａna",
	} {
		if got := mailaddr.Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestCapitalHiddenByAnAccentIsFolded is a finding of the fuzzer: U+0130 has no
// lower case beyond ASCII, but composed with the next accent it is another
// capital, which has.
func TestCapitalHiddenByAnAccentIsFolded(t *testing.T) {
	t.Parallel()
	once := mailaddr.Fold("\u0130\u0330")
	if want := "\u1e2d\u0307"; once != want || mailaddr.Fold(once) != once {
		t.Errorf("Fold = %+q, then %+q; want %+q both times", once, mailaddr.Fold(once), want)
	}
}

// TestFoldMakesNoASCII goes through all of Unicode: no other character may
// stand for one that names a mailbox in ASCII.
func TestFoldMakesNoASCII(t *testing.T) {
	t.Parallel()
	for r := rune(utf8.RuneSelf); r <= utf8.MaxRune; r++ {
		if got := mailaddr.Fold(string(r)); strings.ContainsFunc(got, func(r rune) bool { return r < utf8.RuneSelf }) {
			t.Errorf("Fold(%U) = %q", r, got)
		}
	}
}

func TestBoth(t *testing.T) {
	t.Parallel()
	const both = "café.casos.test (xn--caf-dma.casos.test)"
	for in, want := range map[string]string{
		"xn--caf-dma.casos.test":         both,
		"XN--CAF-DMA.casos.test":         both,
		"café.casos.test":                both,
		"ana@xn--caf-dma.casos.test":     "ana@" + both,
		"joão@café.casos.test":           "joão@" + both,
		`"x@y"@café.casos.test`:          `"x@y"@` + both,
		"ana@aurora.test":                "ana@aurora.test",
		"joão@aurora.test":               "joão@aurora.test",
		"xn--aurora-.test":               "xn--aurora-.test",     // decodes to ASCII: a forgery
		"xn--.test":                      "xn--.test",            //
		"xn--au-rora-.test":              "xn--au-rora-.test",    //
		"xn--ls8h.test":                  "xn--ls8h.test",        // an emoji: no U-label
		"xn--aurora-3h0b.test":           "xn--aurora-3h0b.test", //
		"[198.18.1.25]":                  "[198.18.1.25]",
		"<>":                             "<>",
		"":                               "",
		"a phrase, not an address xn--a": "a phrase, not an address xn--a",
	} {
		if got := mailaddr.Both(in); got != want {
			t.Errorf("Both(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSameDomain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"aurora.test", "AURORA.test", true},
		{"aurora.test", "boreal.test", false},
		{"café.test", "XN--CAF-DMA.test", true},
		{"CAFE\u0301.test", "café.test", true},
		{"café.test", "cafe.test", false},
		{"\u212aafka.test", "kafka.test", false},
		{"ca\u017fos.test", "casos.test", false},
		{"\u202e.test", "\u202e.test", false}, // no domain at all
	} {
		if got := mailaddr.SameDomain(test.a, test.b); got != test.want {
			t.Errorf("SameDomain(%q, %q) = %t", test.a, test.b, got)
		}
	}
}

func TestALabels(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ana@CAFÉ.casos.test":  "ana@xn--caf-dma.casos.test",
		"joão@café.casos.test": "joão@xn--caf-dma.casos.test",
		"ana@aurora.test":      "ana@aurora.test",
		"ana@[198.18.1.25]":    "ana@[198.18.1.25]",
		"postmaster":           "postmaster",
	} {
		a, err := mailaddr.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.ALabels(); got.String() != want || got.ALabels() != got {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if a := (mailaddr.Address{}).ALabels(); !a.Null() {
		t.Errorf("the null path becomes %q", a)
	}
}

func FuzzDomain(f *testing.F) {
	for _, s := range []string{"café.test", "xn--caf-dma.test", "XN--CAF-DMA", "aurora\uff0etest", "\u212a.test", "דואר.test", "au\u200drora", "é\x00", "xn--a.é", "[é]", "é.", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		a, err := mailaddr.ToASCII(in)
		if err != nil {
			return
		}
		if again, err := mailaddr.ToASCII(a); err != nil || again != a {
			t.Fatalf("%q gives %q, and that %q, %v", in, a, again, err)
		}
		if strings.ContainsFunc(a, func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Fatalf("%q gives %q", in, a)
		}
		if !mailaddr.IsDomain(in) {
			return
		}
		if strings.Count(a, ".") != strings.Count(in, ".") || !mailaddr.SameDomain(in, a) || len(a) > mailaddr.MaxDomain {
			t.Fatalf("%q gives %q", in, a)
		}
		if u := mailaddr.ToUnicode(a); !mailaddr.SameDomain(u, a) {
			t.Fatalf("%q gives %q, shown as %q", in, a, u)
		}
	})
}
