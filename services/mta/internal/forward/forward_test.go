package forward

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
)

func address(t testing.TB, s string) mailaddr.Address {
	t.Helper()
	if s == "" {
		return mailaddr.Address{}
	}
	a, err := mailaddr.Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return a
}

func org() *lab.Org {
	return &lab.Org{
		Domain: "boreal.test", Domains: []string{"cname.casos.test"},
		People: []lab.Person{{Name: "bruno", Password: "bruno"}, {Name: "beatriz", Password: "beatriz"}},
		Aliases: map[string]lab.Targets{
			"postmaster": {"beatriz"},
			"chefe":      {"postmaster"},
			"todos":      {"bruno", "chefe", "beatriz"},
			"fora":       {"carla@cedro.test"},
			"longe":      {"fora"},
			"tudo":       {"todos", "equipe", "longe", "ana@café.test"},
			"volta":      {"volta2", "bruno"},
			"volta2":     {"volta"},
		},
		Lists: []lab.List{
			{Address: "equipe", Owner: "bruno", Members: lab.Targets{"bruno", "ana@aurora.test", "interna"}},
			{Address: "interna", Owner: "chefe", Members: lab.Targets{"beatriz", "Ana@aurora.test"}},
		},
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	for local, want := range map[string]string{
		"bruno":        "",
		"chefe":        "", // another name of one person
		"equipe-owner": "",
		"ninguem":      "",
		"Todos":        "bruno@boreal.test beatriz@boreal.test",
		"fora":         "carla@cedro.test",
		"longe":        "carla@cedro.test",
		"interna":      "beatriz@boreal.test/interna Ana@aurora.test/interna",
		// Local parts of other organisations are theirs to compare (RFC 5321 §2.4).
		"equipe": "bruno@boreal.test/equipe ana@aurora.test/equipe beatriz@boreal.test/interna Ana@aurora.test/interna",
		// Who has a copy gets no second one from a list.
		"tudo": "bruno@boreal.test beatriz@boreal.test ana@aurora.test/equipe Ana@aurora.test/interna carla@cedro.test ana@xn--caf-dma.test",
		// lab.Load refuses this one.
		"volta": "bruno@boreal.test",
	} {
		var got []string
		for _, c := range Expand(org(), local, "boreal.test") {
			s := c.To.String()
			if c.List != "" {
				s += "/" + c.List
			}
			got = append(got, s)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", local, got, want)
		}
	}
	if got := Expand(org(), "todos", "cname.casos.test"); len(got) != 2 || got[0].To.Domain != "cname.casos.test" {
		t.Errorf("of another domain of the site: %v", got)
	}
}

// Who is behind an alias and a list gets a report by the alias, whichever of the
// two comes first.
func TestExpandWithoutLists(t *testing.T) {
	t.Parallel()
	o := org()
	o.Aliases["grupo"] = lab.Targets{"equipe"}
	o.Aliases["antes"] = lab.Targets{"equipe", "bruno", "longe"}
	for local, want := range map[string]string{
		"equipe": "[]", "grupo": "[]", "bruno": "[]", "antes": "[{bruno@boreal.test } {carla@cedro.test }]",
	} {
		if got := fmt.Sprint(WithoutLists(o, local, "boreal.test")); got != want {
			t.Errorf("%s: %s, want %s", local, got, want)
		}
	}
}

func TestBeen(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"todos@boreal.test": true, "TODOS@Boreal.Test": true, "todos@aurora.test": false,
		"todos": false, "": false, "todos@boreal.test x": false, "todo\u017f@boreal.test": false,
	} {
		if got := Been([]string{"x@y.test", value}, address(t, "todos@boreal.test")); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}

// An address that is not ASCII was not noted at all, and mail went in circles up
// to the hop limit.
func TestDeliveredToIsASCIIAndFoundAgain(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ã", 32)
	for at, want := range map[string]string{
		"Todos@boreal.test":   "Todos@boreal.test",
		"todos@café.test":     "todos@xn--caf-dma.test",
		"joão@boreal.test":    `"jo\\x{E3}o"@boreal.test`,
		"joão+x@café.test":    `"jo\\x{E3}o\\x{2B}x"@xn--caf-dma.test`,
		long + "@boreal.test": `"` + strings.Repeat(`\\x{E3}`, 32) + `"@boreal.test`,
	} {
		got := DeliveredTo(address(t, at))
		if got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
		for _, same := range []string{at, strings.ToUpper(at)} {
			if !Been([]string{got}, address(t, same)) || !Been([]string{strings.ToLower(got)}, address(t, same)) {
				t.Errorf("%s has not been at %s", got, same)
			}
		}
	}
	for _, value := range []string{`"jo\\x{E3}o"@aurora.test`, `"jo\\x{E4}o"@boreal.test`, "joao@boreal.test"} {
		if Been([]string{value}, address(t, "joão@boreal.test")) {
			t.Errorf("%s is taken for joão@boreal.test", value)
		}
	}
}

func TestListFields(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]string{
		"":              "List-Id: <equipe.boreal.test>\r\n",
		`A "boa" gente`: `List-Id: "A \"boa\" gente" <equipe.boreal.test>` + "\r\n",
		// RFC 2047 §5(3): these would end the phrase if they were not encoded.
		`Turma "A" (manhã) <x>, é`: "List-Id: =?utf-8?q?Turma_=22A=22_=28manh=C3=A3=29_=3Cx=3E=2C_=C3=A9?=\r\n <equipe.boreal.test>\r\n",
		strings.Repeat("ã", 12):    "List-Id: =?utf-8?q?" + strings.Repeat("=C3=A3", 9) + "?=\r\n =?utf-8?q?" + strings.Repeat("=C3=A3", 3) + "?= <equipe.boreal.test>\r\n",
		"Coordenação":              "List-Id: =?utf-8?q?Coordena=C3=A7=C3=A3o?= <equipe.boreal.test>\r\n",
	} {
		got := Fields(lab.List{Address: "equipe", Title: title}, "boreal.test")
		if want += "List-Post: <mailto:equipe@boreal.test>\r\nList-Owner: <mailto:equipe-owner@boreal.test>\r\nPrecedence: list\r\n"; got != want {
			t.Errorf("%q:\n%s\nwant\n%s", title, got, want)
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(got, "List-Id:"), "\r\nList-Post:")
		if !OfList([]string{"<x.y>", id}, "equipe", "boreal.test") || OfList([]string{id}, "equipe", "aurora.test") {
			t.Errorf("%q is not recognised", id)
		}
	}
	if OfList([]string{"", "<", "equipe", "<equipe.boreal.test.evil>"}, "equipe", "boreal.test") {
		t.Error("recognised in what is not its identifier")
	}
}

func TestFieldsOfAnotherListAreLeftOut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	for in, want := range map[string]string{
		"Subject: a\r\nList-Id: x\r\n <y.z>\r\nTo: b\r\n\r\nList-Id: kept\r\n": "Subject: a\r\nTo: b\r\n\r\nList-Id: kept\r\n",
		"list-post : x\r\nPRECEDENCE: bulk\r\n\r\n":                            "\r\n",
		"List-Idx: a\r\n\tList-Id: b\r\n":                                      "List-Idx: a\r\n\tList-Id: b\r\n",
		"Subject: " + long + "\r\nList-Id: " + long + "\r\n\r\n" + long:        "Subject: " + long + "\r\n\r\n" + long,
		"no header\r\nList-Id: kept":                                           "no header\r\nList-Id: kept",
		"List-Id: unfinished":                                                  "",
		"":                                                                     "",
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			got, err := io.ReadAll(iotest.HalfReader(WithoutListFields(r)))
			if err != nil || string(got) != want {
				t.Errorf("%.60q: %.80q, %v", in, got, err)
			}
		}
	}
	if _, err := io.ReadAll(WithoutListFields(iotest.ErrReader(io.ErrUnexpectedEOF))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken message: %v", err)
	}
}

func TestListFieldsAreThoseLeftOut(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(Fields(lab.List{Address: "equipe"}, "boreal.test")) {
		if name, _, _ := strings.Cut(line, ":"); !slices.Contains(listFields, name) {
			t.Errorf("%s is set and not replaced", name)
		}
	}
}
