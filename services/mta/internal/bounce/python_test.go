package bounce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"correio/services/mta/internal/bounce/bouncetest"
)

// seen is what read_report.py prints of a report.
type seen struct {
	Type    string              `json:"type"`
	Report  string              `json:"report"`
	Subject string              `json:"subject"`
	Text    string              `json:"text"`
	Kinds   []string            `json:"kinds"`
	Blocks  []map[string]string `json:"blocks"`
	Defects []string            `json:"defects"`
}

// Python's email package reads every kind of report without a complaint, and
// sees in it what our own parser sees.
func TestPythonReadsEveryKindOfReport(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here; the end-to-end suite needs it")
	}
	all := kinds(t)
	var names []string
	var in bytes.Buffer
	var want []bouncetest.Report
	add := func(name string, raw []byte) {
		r, err := bouncetest.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		names, want = append(names, name), append(want, r)
		fmt.Fprintf(&in, "%d\n%s", len(raw), raw)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		raw, _ := written(t, all[name])
		add(name, raw)
		if seven, ok := SevenBit(raw); ok {
			add(name+" in 7 bits", seven)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/read_report.py")
	var talk bytes.Buffer
	cmd.Stdin, cmd.Stderr = &in, &talk
	printed, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	lines := strings.Split(strings.TrimSpace(string(printed)), "\n")
	if len(lines) != len(names) {
		t.Fatalf("%d reports were read, want %d", len(lines), len(names))
	}
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			var got seen
			if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
				t.Fatal(err)
			}
			agree(t, got, want[i])
		})
	}
}

// agree compares what two parsers have read.
func agree(t *testing.T, got seen, want bouncetest.Report) {
	t.Helper()
	if len(got.Defects) > 0 {
		t.Errorf("defects: %q", got.Defects)
	}
	if kinds := []string{"text/plain", want.Type, want.Kind}; got.Type != "multipart/report" || "message/"+got.Report != want.Type || !slices.Equal(got.Kinds, kinds) {
		t.Errorf("%s, %s, parts %q; want %q", got.Type, got.Report, got.Kinds, kinds)
	}
	if text := strings.ReplaceAll(want.Text, "\r\n", "\n"); strings.ReplaceAll(got.Text, "\r\n", "\n") != text || !strings.Contains(got.Subject, " / ") {
		t.Errorf("Subject %q, text\n%s", got.Subject, got.Text)
	}
	if len(got.Blocks) != 1+len(want.Recipients) {
		t.Fatalf("%d blocks, want %d", len(got.Blocks), 1+len(want.Recipients))
	}
	for i, fields := range append([]bouncetest.Fields{want.Message}, want.Recipients...) {
		for name, value := range fields {
			if value = strings.Join(strings.Fields(value), " "); got.Blocks[i][name] != value {
				t.Errorf("block %d: %s is %q, want %q", i, name, got.Blocks[i][name], value)
			}
		}
		if len(got.Blocks[i]) != len(fields) {
			t.Errorf("block %d has %d fields, want %d", i, len(got.Blocks[i]), len(fields))
		}
	}
}
