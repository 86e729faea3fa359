package forward

import (
	"errors"
	"strings"
	"testing"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func srs(domain string) *SRS {
	return NewSRS(&lab.Org{Domain: domain, People: []lab.Person{{Name: "x", Password: domain}}}, 1)
}

func TestSRSThereAndBack(t *testing.T) {
	t.Parallel()
	for _, from := range []string{
		"ana@aurora.test", "Ana.Maria+teste=1@aurora.test", "joão@aurora.test", `"a b@c"@aurora.test`, `"a=\"b"@xn--caf-dma.test`,
		"x@[198.18.1.25]", "x@[IPv6:fd00::1]", "srs2=x@aurora.test", "SRS0@aurora.test", "SRS1=a=b=c@aurora.test", strings.Repeat("l", 39) + "@aurora.test",
		"SRS0=a@[198.18.1.25]",
	} {
		b := srs("boreal.test")
		to, err := b.Rewrite(address(t, from), noon)
		if err != nil || to.Domain != "boreal.test" || !strings.HasPrefix(to.Local, "SRS0=") || len(to.Local) > mailaddr.MaxLocal {
			t.Errorf("%s: rewritten as %s, %v", from, to, err)
			continue
		}
		if again := address(t, to.String()); again != to {
			t.Errorf("%s is read as %s", to, again)
		}
		if back, err := b.Back(to, noon); err != nil || back != address(t, from) {
			t.Errorf("%s: back as %s, %v", from, back, err)
		}
		if _, err := srs("cedro.test").Back(to, noon); !errors.Is(err, ErrForged) {
			t.Errorf("another site takes %s: %v", to, err)
		}
	}
}

func TestSRSLeavesTheseAsTheyAre(t *testing.T) {
	t.Parallel()
	o := org()
	for from, want := range map[string]error{
		"": nil, "bruno@boreal.test": nil, "bruno@cname.casos.test": nil,
		strings.Repeat("l", 40) + "@aurora.test":                       ErrTooLong,
		"x@" + strings.Repeat("d", 40) + ".aurora-organization.test":   ErrTooLong,
		"SRS0=AAAA=AA=far.test=" + strings.Repeat("l", 30) + "@b.test": ErrTooLong,
	} {
		if got, err := NewSRS(o, 1).Rewrite(address(t, from), noon); got != address(t, from) || !errors.Is(err, want) {
			t.Errorf("%q: %s, %v", from, got, err)
		}
	}
	o.SMTP.WithoutSRS = true
	if got, err := NewSRS(o, 1).Rewrite(address(t, "ana@aurora.test"), noon); got.String() != "ana@aurora.test" || err != nil {
		t.Errorf("switched off: %s, %v", got, err)
	}
}

// Ana's mail passes boreal, cedro and delta: it never grows by more than one
// step, and the report of each goes to boreal.
func TestSRSChains(t *testing.T) {
	t.Parallel()
	ana := address(t, "ana@aurora.test")
	boreal, cedro, delta := srs("boreal.test"), srs("cedro.test"), srs("delta.test")
	at := ana
	var way []mailaddr.Address
	for _, s := range []*SRS{boreal, cedro, delta} {
		next, err := s.Rewrite(at, noon)
		if err != nil {
			t.Fatal(err)
		}
		way = append(way, next)
		at = next
	}
	if !strings.HasPrefix(way[1].Local, "SRS1=") || !strings.Contains(way[1].Local, "=boreal.test==") ||
		len(way[2].Local) != len(way[1].Local) || strings.Contains(way[2].Local, "cedro") {
		t.Fatalf("way: %s", way)
	}
	for i, s := range []*SRS{cedro, delta} {
		if back, err := s.Back(way[i+1], noon); err != nil || back != way[0] {
			t.Errorf("from %s back to %s, %v; want %s", way[i+1], back, err, way[0])
		}
	}
	if back, err := boreal.Back(way[0], noon); err != nil || back != ana {
		t.Errorf("at last: %s, %v", back, err)
	}
}

// The mail passes aurora, boreal, and aurora again. Its report went to an SRS0 of
// aurora's own then, which is no mailbox.
func TestSRSOfMailThatPassesASiteTwice(t *testing.T) {
	t.Parallel()
	aurora, boreal, carla := srs("aurora.test"), srs("boreal.test"), address(t, "carla@cedro.test")
	first, _ := aurora.Rewrite(carla, noon)
	second, _ := boreal.Rewrite(first, noon)
	third, err := aurora.Rewrite(second, noon)
	if err != nil || third != first {
		t.Errorf("from %s goes on as %s, %v; want %s", second, third, err, first)
	}
	// What was made of it before the site knew that comes back as well.
	_, rest, _ := cutScheme(first.Local)
	nested := mailaddr.Address{Local: aurora.again("Aurora.test", rest), Domain: "aurora.test"}
	if back, err := aurora.Back(nested, noon); err != nil || back != carla || aurora.ReturnTo(nested, noon) != carla {
		t.Errorf("%s: back as %s, %v", nested, back, err)
	}
	forged := mailaddr.Address{Local: strings.Replace(second.Local, "carla", "clara", 1), Domain: "boreal.test"}
	to, err := aurora.Rewrite(forged, noon)
	if err != nil || !strings.HasPrefix(to.Local, "SRS1=") {
		t.Errorf("forged: %s, %v", to, err)
	}
	if back, err := aurora.Back(to, noon); !errors.Is(err, ErrForged) {
		t.Errorf("forged: back as %s, %v", back, err)
	}
}

// RFC 5321 §4.1.3 writes IPv6 in its literals so; in lower case it was another
// domain, and the report was refused.
func TestSRSOfIPv6LiteralsComesBackInAnyCase(t *testing.T) {
	t.Parallel()
	b, from := srs("boreal.test"), address(t, "x@[IPv6:fd00::a1]")
	to, err := b.Rewrite(from, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, local := range []string{to.Local, strings.ToLower(to.Local)} {
		if back, err := b.Back(mailaddr.Address{Local: local, Domain: "boreal.test"}, noon); err != nil || back != from {
			t.Errorf("%s: back as %s, %v", local, back, err)
		}
	}
}

func TestSRSOfOtherSeparatorsIsReadAsWell(t *testing.T) {
	t.Parallel()
	cedro := srs("cedro.test")
	for _, from := range []string{"SRS0+aa=bb=aurora.test=ana@boreal.test", "srs0-x@boreal.test"} {
		to, err := cedro.Rewrite(address(t, from), noon)
		if err != nil || !strings.HasPrefix(to.Local, "SRS1=") {
			t.Errorf("%s: %s, %v", from, to, err)
		}
		want := "SRS0" + from[4:]
		if back, err := cedro.Back(to, noon); err != nil || back.String() != want {
			t.Errorf("%s: back as %s, %v", from, back, err)
		}
	}
}

func TestSRSRefusesWhatItHasNotMade(t *testing.T) {
	t.Parallel()
	b := srs("boreal.test")
	first, _ := b.Rewrite(address(t, "ana@aurora.test"), noon)
	again, _ := b.Rewrite(address(t, "SRS0=aaaa=aa=aurora.test=ana@cedro.test"), noon)
	for name, local := range map[string]string{
		"another sender":   strings.Replace(first.Local, "ana", "eva", 1),
		"another domain":   strings.Replace(first.Local, "aurora.test", "cedro.test", 1),
		"another day":      first.Local[:10] + "AA" + first.Local[12:],
		"another hash":     "SRS0=" + strings.Map(func(r rune) rune { return 'A' + (r+1-'A')%26 }, first.Local[5:9]) + first.Local[9:],
		"no hash":          "SRS0==" + first.Local[10:],
		"short hash":       "SRS0=" + first.Local[6:],
		"cut":              first.Local[:12],
		"SRS1 by SRS0":     "SRS1" + first.Local[4:],
		"another opaque":   strings.Replace(again.Local, "ana", "eva", 1),
		"another host":     strings.Replace(again.Local, "cedro", "delta", 1),
		"SRS0 by SRS1":     "SRS0" + again.Local[4:],
		"nothing behind":   "SRS0=",
		"nothing behind 1": "SRS1=",
		"no scheme":        "SRS2" + first.Local[4:],
		"too short":        "SRS",
	} {
		if got, err := b.Back(mailaddr.Address{Local: local, Domain: "boreal.test"}, noon); !errors.Is(err, ErrForged) {
			t.Errorf("%s, %s: %s, %v", name, local, got, err)
		}
	}
	for _, folded := range []string{strings.ToLower(first.Local), strings.ToUpper(first.Local)} {
		back, err := b.Back(mailaddr.Address{Local: folded, Domain: "boreal.test"}, noon)
		if err != nil || !strings.EqualFold(back.String(), "ana@aurora.test") {
			t.Errorf("in another case, %s: %s, %v", folded, back, err)
		}
	}
}

func TestSRSExpires(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for speed, real := range map[clock.Speed]time.Duration{1: day, 24: time.Hour} {
		b := NewSRS(&lab.Org{Domain: "boreal.test"}, speed)
		to, _ := b.Rewrite(address(t, "ana@aurora.test"), noon)
		for after, want := range map[int]error{
			-1: nil, // another host's clock
			0:  nil, MaxAge: nil, MaxAge + 1: ErrExpired, 500: ErrExpired, days - 2: ErrExpired,
		} {
			if _, err := b.Back(to, time.Unix(0, noon.UnixNano()+int64(after)*real.Nanoseconds())); !errors.Is(err, want) {
				t.Errorf("speed %v, after %d days: %v, want %v", speed, after, err, want)
			}
		}
	}
}

// The hosts of a site make the same addresses, whatever their states; those of
// another key do not.
func TestSRSKeyIsTheSites(t *testing.T) {
	t.Parallel()
	one, _ := NewSRS(org(), 1).Rewrite(address(t, "ana@aurora.test"), noon)
	two, _ := NewSRS(org(), 1).Rewrite(address(t, "ana@aurora.test"), noon)
	o := org()
	o.SMTP.SRSKey = "segredo"
	three, _ := NewSRS(o, 1).Rewrite(address(t, "ana@aurora.test"), noon)
	o.People[0].Password = "outra"
	four, _ := NewSRS(o, 1).Rewrite(address(t, "ana@aurora.test"), noon)
	if one != two || one == three || three != four {
		t.Errorf("%s, %s, with a key %s, %s", one, two, three, four)
	}
}

func FuzzSRS(f *testing.F) {
	for _, s := range []string{"ana", "SRS0=AAAA=BB=c.test=d", "SRS1=AAAA=b.test==CCCC=DD=e.test=f", "SRS1=a==", `a" b`, "=", "SRS0+x", "ação"} {
		f.Add(s, "aurora.test")
	}
	b := NewSRS(&lab.Org{Domain: "boreal.test"}, 1)
	f.Fuzz(func(t *testing.T, local, domain string) {
		if back, err := b.Back(mailaddr.Address{Local: local, Domain: "boreal.test"}, noon); err == nil {
			t.Logf("guessed: %s", back) // one in a million
		}
		from := mailaddr.Address{Local: local, Domain: domain}
		if again, err := mailaddr.Parse(from.String()); err != nil || again != from || from.ALabels() != from {
			return
		}
		to, err := b.Rewrite(from, noon)
		if err != nil || to == from {
			return
		}
		if again, err := mailaddr.Parse(to.String()); err != nil || again != to {
			t.Fatalf("%q is rewritten as %q, which is read as %q, %v", from, to, again, err)
		}
		back, err := b.Back(to, noon)
		scheme, rest, _ := cutScheme(from.Local)
		switch {
		case err != nil:
			t.Fatalf("%q, as %q, does not come back: %v", from, to, err)
		case back == from:
		case scheme == srs0 && back.Local == srs0+rest && back.Domain == from.Domain:
		case scheme == srs1 && IsSRS(back.Local):
		default:
			t.Fatalf("%q, as %q, comes back as %q", from, to, back)
		}
	})
}
