package digger_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"correio/services/correio/internal/digger"
	"correio/services/internal/dnsclient"
	"correio/services/internal/text"
)

func TestParseTakesTheWordsOfDigInAnyOrder(t *testing.T) {
	tests := []struct {
		in   string
		want digger.Question
		ok   bool
	}{
		{"boreal.test", digger.Question{Name: "boreal.test", Type: dns.TypeA}, true},
		{"boreal.test MX", digger.Question{Name: "boreal.test", Type: dns.TypeMX}, true},
		{"mx boreal.test", digger.Question{Name: "boreal.test", Type: dns.TypeMX}, true},
		{"@ns.boreal.test boreal.test soa +short", digger.Question{Server: "ns.boreal.test", Name: "boreal.test", Type: dns.TypeSOA, Short: true}, true},
		{"+trace . NS", digger.Question{Name: ".", Type: dns.TypeNS, Trace: true}, true},
		{"café.casos.test MX", digger.Question{Name: "xn--caf-dma.casos.test", Type: dns.TypeMX}, true},
		{"@ns.CAFÉ.test _dmarc.café.test. TXT", digger.Question{Server: "ns.xn--caf-dma.test", Name: "_dmarc.xn--caf-dma.test.", Type: dns.TypeTXT}, true},
		{"café\uff0etest", digger.Question{}, false},
		{"\u202ecafé.test", digger.Question{}, false},
		{"boreal.test NOTYPE", digger.Question{}, false},
		{"boreal.test +nocookie", digger.Question{}, false},
		{"@198.18.0.8", digger.Question{}, false},
		{"a..b", digger.Question{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			var got digger.Question
			err := got.Parse(strings.Fields(tt.in))
			if (err == nil) != tt.ok {
				t.Fatalf("Parse(%q) = %v, want ok=%v", tt.in, err, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got); tt.ok && diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

func TestReverseAsksForTheNameOfAnAddress(t *testing.T) {
	for address, want := range map[string]string{
		"198.18.2.25": "25.2.18.198.in-addr.arpa.",
		"2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
	} {
		q := digger.Question{Reverse: address}
		if err := q.Parse([]string{"@198.18.0.8"}); err != nil || q.Name != want || q.Type != dns.TypePTR || q.Server != "198.18.0.8" {
			t.Errorf("-x %s = %+v, %v; want the PTR of %s", address, q, err, want)
		}
	}
	q := digger.Question{Reverse: "198.18.2.25"}
	if err := q.Parse([]string{"SOA"}); err != nil || q.Type != dns.TypeSOA {
		t.Errorf("-x with a type = %+v, %v", q, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("@ns.boreal.test boreal.test MX +short")
	f.Add("mx mx mx")
	f.Fuzz(func(t *testing.T, line string) {
		var q digger.Question
		if q.Parse(strings.Fields(line)) != nil {
			return
		}
		if _, ok := dns.IsDomainName(q.Name); !ok || q.Name == "" || q.Type == 0 {
			t.Errorf("Parse(%q) = %+v, which cannot be asked", line, q)
		}
	})
}

func response(t *testing.T) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("boreal.test.", dns.TypeMX)
	m.Response, m.Authoritative = true, true
	for _, line := range []string{"boreal.test. 60 IN MX 10 mx1.boreal.test.", "boreal.test. 60 IN MX 20 mx2.boreal.test."} {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	m.SetEdns0(1232, false)
	return m
}

func TestAnswerInItsThreeForms(t *testing.T) {
	a := digger.Answer{Server: "198.18.0.8", Msg: response(t), Took: 3 * time.Millisecond}
	var full, short bytes.Buffer
	if err := a.Write(&full); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"status: NOERROR", "boreal.test.\t60\tIN\tMX\t10 mx1.boreal.test.", ";; SERVER: 198.18.0.8 (tcp)", "Query time: 3 msec"} {
		if !strings.Contains(full.String(), want) {
			t.Errorf("answer lacks %q:\n%s", want, full.String())
		}
	}
	if err := a.WriteShort(&short); err != nil || short.String() != "10 mx1.boreal.test.\n20 mx2.boreal.test.\n" {
		t.Errorf("short answer = %q, %v", short.String(), err)
	}
	want := digger.Message{Server: "198.18.0.8", Question: "boreal.test. MX", Rcode: "NOERROR", Flags: []string{"qr", "aa", "rd"}, TookMS: 3,
		Answer:    []string{"boreal.test. 60 IN MX 10 mx1.boreal.test.", "boreal.test. 60 IN MX 20 mx2.boreal.test."},
		Authority: []string{}, Additional: []string{}}
	if diff := cmp.Diff(want, a.JSON()); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestEveryOutcomeOfAStepHasWords(t *testing.T) {
	for _, outcome := range []dnsclient.Outcome{dnsclient.Hints, dnsclient.Referral, dnsclient.Final, dnsclient.Alias, dnsclient.Lame, dnsclient.Broken} {
		for _, lang := range text.Langs {
			var b bytes.Buffer
			step := dnsclient.Step{Zone: "test.", Server: "ns.nic.test", Question: dns.Question{Name: "boreal.test.", Qtype: dns.TypeMX}, Outcome: outcome, Msg: response(t)}
			if err := digger.WriteStep(&b, step, lang); err != nil || strings.Contains(b.String(), ": ,") || strings.Contains(b.String(), ", , ") {
				t.Errorf("%s in %s: %v\n%s", outcome, lang, err, b.String())
			}
		}
	}
}

// Internationalised names are shown in both forms.
func TestAnswerNamesBothForms(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("xn--caf-dma.casos.test.", dns.TypeMX)
	for _, line := range []string{"xn--caf-dma.casos.test. 60 IN MX 10 xn--r8jz45g.test.", "xn--caf-dma.casos.test. 60 IN MX 20 mx1.aurora.test."} {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	var out bytes.Buffer
	if err := (digger.Answer{Server: "198.18.0.8", Msg: m}).Write(&out); err != nil {
		t.Fatal(err)
	}
	want := ";; IDN: café.casos.test. (xn--caf-dma.casos.test.)\n;; IDN: 例え.test. (xn--r8jz45g.test.)\n;; Query time"
	if !strings.Contains(out.String(), want) || strings.Count(out.String(), "IDN:") != 2 {
		t.Errorf("got\n%s\nwant %q in it", out.String(), want)
	}
	out.Reset()
	if err := digger.WriteStep(&out, dnsclient.Step{Msg: m, Question: m.Question[0]}, text.English); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "café.casos.test. (") {
		t.Errorf("a step is written\n%s", out.String())
	}
}
