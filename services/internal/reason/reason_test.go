package reason_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// args are as many arguments as a rule's text speaks of.
func args(rule reason.Rule) []string {
	list := make([]string, reason.Params(rule))
	for i := range list {
		list[i] = "arg" + strconv.Itoa(i)
	}
	return list
}

func TestEveryRuleSpeaksBothLanguagesOfAllItsArguments(t *testing.T) {
	if len(reason.Rules()) < 40 {
		t.Fatalf("%d rules", len(reason.Rules()))
	}
	for _, rule := range reason.Rules() {
		r := reason.New(rule, args(rule)...)
		en, pt := r.In(text.English), r.In(text.Portuguese)
		for lang, said := range map[text.Lang]string{text.English: en, text.Portuguese: pt} {
			if said == "" || strings.Contains(said, "%") || strings.Contains(said, "?") {
				t.Errorf("%s in %s: %q", rule, lang, said)
			}
			for _, arg := range r.Args {
				if !strings.Contains(said, arg) {
					t.Errorf("%s in %s: %q lacks %s", rule, lang, said, arg)
				}
			}
		}
		if en == pt {
			t.Errorf("%s: %q in both languages", rule, en)
		}
	}
}

func TestEncodeIsReadBack(t *testing.T) {
	for name, reasons := range map[string][]reason.Reason{
		"none":                         nil,
		"one":                          {reason.New(reason.Cached)},
		"the usual":                    {reason.New(reason.Sorted, "boreal.test", "10 mx1.boreal.test, 20 mx2.boreal.test"), reason.New(reason.Shuffled, "2", "10", "mx2")},
		"empty arguments":              {reason.New(reason.LookupFailed, "x", ""), reason.New(reason.Capped, ""), reason.New(reason.Cached)},
		"what means something to us":   {reason.New("a(b;c|d)e%f", "(|;)%41", "; self(x)", "%", "%4")},
		"what means something to none": {reason.New(reason.NotAnIDN, "café\u202e\x1b[31m\r\n\x00\xff")},
	} {
		if diff := cmp.Diff(reasons, reason.Parse(reason.Encode(reasons...))); diff != "" {
			t.Errorf("%s, as %q (-want +got):\n%s", name, reason.Encode(reasons...), diff)
		}
	}
	if got, want := reason.Encode(reason.New(reason.IsSelf, "mx2.boreal.test", "20"), reason.New(reason.Cached)), "self(mx2.boreal.test|20); cached"; got != want {
		t.Errorf("Encode = %q, want %q", got, want)
	}
}

// A zone may have any number of hosts, and a peer may say anything.
func TestEncodeIsBoundedAndCountsWhatIsLeftOut(t *testing.T) {
	var many []reason.Reason
	for range 200 {
		many = append(many, reason.New(reason.NotBetter, strings.Repeat("é", 100)+".test", "30", "20"))
	}
	s := reason.Encode(many...)
	got := reason.Parse(s)
	last := got[len(got)-1]
	if len(s) > 5000 || last.Rule != reason.More || last.Args[0] != strconv.Itoa(200-len(got)+1) {
		t.Errorf("%d octets, %d reasons, the last %v", len(s), len(got), last)
	}
	one := reason.Parse(reason.Encode(reason.New(reason.Alias, strings.Repeat("é", 5000), "y")))[0]
	if len(one.Args[0]) > 310 || !utf8.ValidString(one.Args[0]) || one.Args[1] != "y" {
		t.Errorf("an argument of %d octets", len(one.Args[0]))
	}
}

func TestReasonsOfOthersAreSaidAsFarAsTheyAreKnown(t *testing.T) {
	for in, want := range map[string]string{
		"sorted(boreal.test)":     "MX of boreal.test by preference: ?",
		"cached(x|y)":             "from the resolver's cache",
		"moon-phase(full|29 d)":   "moon-phase full 29 d",
		"lookup-failed(x.test|)":  "no answer for now about x.test",
		"null-mx(%s%d%!)":         `%s%d%! says by "MX 0 ." that it takes no mail (RFC 7505)`,
		" ; ;; (x); self(a|1) ; ": "a (preference 1) is this host",
		"":                        "",
	} {
		if got := reason.Describe(reason.Parse(in)); got != want {
			t.Errorf("%q says %q, want %q", in, got, want)
		}
	}
}

// What older versions have stored is a sentence, and is none of our reasons.
func TestSentencesAreNoReasons(t *testing.T) {
	for said, want := range map[string]string{
		"unreadable(x)": "unreadable(x)", "cached; self(a|1)": "cached; self(a|1)", "cached; newer": "", "": "",
		"double bounce that p@x.test did not get: 550 Who?": "", "spool: entry cannot be read: body (cut); closed": "",
	} {
		if got := reason.Encode(reason.ParseKnown(said)...); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}

func TestSaidHasTheTextOfItsLanguage(t *testing.T) {
	said := reason.Say(text.Portuguese, reason.New(reason.NullMX, "x.test"))
	if len(said) != 1 || said[0].Rule != reason.NullMX || !strings.Contains(said[0].Text, "não recebe correio") {
		t.Errorf("Say = %+v", said)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "self(mx2.boreal.test|20); cached", "a(b", "%", "%zz(%41|)", ";;()||"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		reasons := reason.Parse(s)
		for _, lang := range text.Langs {
			for _, r := range reasons {
				r.In(lang)
			}
		}
		if strings.ContainsRune(s, '%') || len(s) > 250 {
			return // rules are not escaped again in the same way, and long ones are cut
		}
		back := reason.Parse(reason.Encode(reasons...))
		if !slices.EqualFunc(reasons, back, func(a, b reason.Reason) bool { return a.Rule == b.Rule && slices.Equal(a.Args, b.Args) }) {
			t.Errorf("%q: %v, and read back %v", s, reasons, back)
		}
	})
}
