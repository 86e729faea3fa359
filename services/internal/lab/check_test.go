package lab_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/text"
)

// unpack lays out testdata/lab.txt with one text replaced in one of its files,
// and returns the folder. An empty file name changes nothing.
func unpack(t *testing.T, file, from, to string) string {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join("testdata", "lab.txt"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for part := range strings.SplitSeq(string(archive), "\n-- ") {
		name, content, ok := strings.Cut(part, " --\n")
		if !ok {
			continue // the comment at the top
		}
		content += "\n"
		if name == file {
			if strings.Count(content, from) != 1 {
				t.Fatalf("%s holds %q %d times, want once", file, from, strings.Count(content, from))
			}
			content = strings.Replace(content, from, to, 1)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lines are faults as people see them, with the folder left out.
func lines(dir string, faults []lab.Fault) []string {
	var out []string
	for _, f := range faults {
		out = append(out, strings.ReplaceAll(f.Error(), dir+string(filepath.Separator), ""))
	}
	return out
}

type faultCase struct {
	name, file, from, to string
	want                 []string
}

func run(t *testing.T, cases []faultCase) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := unpack(t, tt.file, tt.from, tt.to)
			_, faults := lab.Check(dir)
			if got := lines(dir, faults); !slices.Equal(got, tt.want) {
				t.Errorf("Check with %q for %q in %s:\ngot:\n\t%s\nwant:\n\t%s", tt.to, tt.from, tt.file,
					strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
			for _, f := range faults {
				if pt := f.In(text.Portuguese); strings.Contains(pt, "%!") || pt == f.In(text.English) {
					t.Errorf("in Portuguese: %s", pt)
				}
			}
		})
	}
}

func TestLabsWithoutFaults(t *testing.T) {
	for _, dir := range []string{deploy, unpack(t, "", "", "")} {
		l, faults := lab.Check(dir)
		for _, f := range faults {
			t.Errorf("Check: %v", f)
		}
		for _, site := range l.Sites {
			if _, faults := lab.CheckOrg(filepath.Join(dir, site)); len(faults) > 0 {
				t.Errorf("CheckOrg(%s): %v", site, faults)
			}
		}
	}
}
