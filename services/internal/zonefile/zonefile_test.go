package zonefile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"correio/services/internal/zonefile"
)

const zone = `; a zone
$TTL 60
$ORIGIN aurora.test.
@	IN SOA ns hostmaster (
		1    ; serial
		3600 600 86400 30 )

	NS ns
	MX 10 mx1  ; the one MX
; a comment between
ns	A 198.18.1.53
$ORIGIN lan.aurora.test.
mx1	A 198.18.1.25
$GENERATE 1-3 pc$ A 198.18.1.$
last	TXT "one; not a comment" (
	"two" )`

func TestParseGivesEachRecordTheLineItStartsOn(t *testing.T) {
	records, err := zonefile.Parse(strings.NewReader(zone), "aurora.test", "zone")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, fmt.Sprintf("%d %s %T", r.Line, r.RR.Header().Name, r.RR))
	}
	want := []string{
		"4 aurora.test. *dns.SOA", "8 aurora.test. *dns.NS", "9 aurora.test. *dns.MX",
		"11 ns.aurora.test. *dns.A", "13 mx1.lan.aurora.test. *dns.A",
		"14 pc1.lan.aurora.test. *dns.A", "14 pc2.lan.aurora.test. *dns.A", "14 pc3.lan.aurora.test. *dns.A",
		"15 last.lan.aurora.test. *dns.TXT",
	}
	if !slices.Equal(got, want) {
		t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestParseNamesTheLineOfAFault(t *testing.T) {
	tests := []struct {
		name, zone string
		line       int
		what       string
	}{
		{"bad address", "$TTL 60\n@ A 198.18.1\n", 2, "bad A"},
		{"bad number within parentheses", "$TTL 60\n\n@ SOA a b (\n 1\n x 1 1 1 )\n", 5, "bad SOA"},
		{"unclosed parenthesis", "$TTL 60\n@ SOA a b ( 1 1\n 1 1 1\n", 3, ""},
		{"unknown type", "$TTL 60\na A 198.18.0.1\nb BOGUS x\n", 3, "BOGUS"},
		{"no TTL", "a A 198.18.0.1\n", 1, "missing TTL"},
		{"include", "$TTL 60\n$INCLUDE /etc/passwd\n", 2, "$INCLUDE"},
		{"bad directive", "$TTL 60\n$ORIGIN\n", 2, ""},
		{"fault in generated records", "$TTL 60\n\n$GENERATE 1-9 a$ A 198.18.0.x$\n", 3, "bad A"},
		{"more records than allowed", "$TTL 60\n" + strings.Repeat("$GENERATE 0-65535 a$ A 198.18.0.1\n", 4), 5, "more than"},
		{"last line without newline", "$TTL 60\n@ A 198.18.0.1\n@ MX ten mx1", 3, "bad MX"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := zonefile.Parse(strings.NewReader(tt.zone), "test.", "z.zone")
			var fault *zonefile.Error
			if !errors.As(err, &fault) {
				t.Fatalf("Parse(%.80q) = %v, want a *zonefile.Error", tt.zone, err)
			}
			if fault.File != "z.zone" || fault.Line != tt.line || !strings.Contains(fault.What, tt.what) {
				t.Errorf("Parse(%.80q) = %v, want z.zone:%d with %q", tt.zone, err, tt.line, tt.what)
			}
		})
	}
}

func TestParseRefusesAFileThatIsTooLarge(t *testing.T) {
	_, err := zonefile.Parse(strings.NewReader(strings.Repeat(";\n", zonefile.MaxSize/2+1)), ".", "z")
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("Parse of %d octets = %v, want an error", zonefile.MaxSize+2, err)
	}
}

func TestParseFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "aurora.test.zone")
	if _, err := zonefile.ParseFile(path, "aurora.test"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ParseFile of a missing file = %v, want os.ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte(zone), 0o600); err != nil {
		t.Fatal(err)
	}
	if records, err := zonefile.ParseFile(path, "aurora.test"); err != nil || len(records) != 9 {
		t.Errorf("ParseFile = %d records, %v, want 9", len(records), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(zone)
	f.Add("$TTL 1\n$GENERATE 1-2 a$ A 1.1.1.$\n")
	f.Add("@ SOA a b ( 1 1\n 1 1 1")
	f.Add("$ORIGIN x.\n")
	f.Fuzz(func(t *testing.T, in string) {
		lines := strings.Count(in, "\n") + 1
		records, err := zonefile.Parse(strings.NewReader(in), "test.", "f")
		var fault *zonefile.Error
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("Parse(%q) = %v, want a *zonefile.Error", in, err)
		}
		if fault != nil && (fault.Line < 1 || fault.Line > lines) {
			t.Errorf("Parse(%q) = %v, want a line from 1 to %d", in, err, lines)
		}
		last := 1
		for _, r := range records {
			if r.Line < last || r.Line > lines {
				t.Errorf("Parse(%q): %v on line %d after %d of %d", in, r.RR, r.Line, last, lines)
			}
			last = r.Line
		}
	})
}
