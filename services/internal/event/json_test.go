package event_test

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
	"correio/services/internal/journey/journeytest"
)

// kinds are all there are, and one that is not there yet.
var kinds = []event.Kind{event.KindConn, event.KindLine, event.KindTLS, event.KindAuth, event.KindDNS, event.KindQueue, event.KindStore,
	event.KindFault, event.KindNode, "kind-of-tomorrow"}

// awkward are texts that JSON cannot say as they are, or hardly.
var awkward = []string{
	"", "plain", `"quoted" \ and / slashed`, "<ana@aurora.test> & more", "tab\tfeed\fback\bline\nreturn\r", "\x00\x01\x1f\x7f",
	"maçã, 日本, 🙂", "\u2028\u2029\u202a", "\ufffd", "\xff\xfe", "cut\xe2\x80", "\xed\xa0\x80", strings.Repeat("<", 300), `\u003c`, `\x09`,
}

// everyRecord returns records of every kind with every awkward text in each of
// their fields, and real ones.
func everyRecord() []event.Record {
	all := journeytest.New(1, 5).Records
	for i, kind := range kinds {
		for k, s := range awkward {
			at := time.Date(2026, 1, 2, 3, 4, 5, i*1000+k, []*time.Location{time.UTC, time.FixedZone("", -3*3600), time.Local}[k%3])
			all = append(all,
				event.Record{Seq: math.MaxUint64 >> (i * k % 64), Time: at, Node: s, Kind: kind},
				event.Record{Time: at, Conn: s, Queue: s, Message: s, Kind: kind, Dir: event.In, Text: s, Meta: event.Meta{}},
				event.Record{Kind: kind, Dir: event.Dir(s), Text: s, Meta: event.Meta{{Key: s, Value: s}, {Key: "k", Value: s}, {Key: "k", Value: "again"}}})
		}
	}
	return append(all, event.Record{Kind: event.KindLine, Meta: details(16)}, event.Record{Kind: event.KindLine, Meta: details(17)})
}

func details(n int) event.Meta {
	m := make(event.Meta, n)
	for i := range m {
		m[i] = event.Attr{Key: fmt.Sprint(i), Value: "v"}
	}
	return m
}

func TestAppendJSONWritesWhatMarshalDoes(t *testing.T) {
	for _, r := range everyRecord() {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.AppendJSON([]byte("before "))
		if err != nil || string(got) != "before "+string(want) {
			t.Errorf("AppendJSON = %s, %v\nwant %s", got, err, want)
		}
	}
}

func TestAppendJSONRefusesATimeThatJSONCannotSay(t *testing.T) {
	r := event.Record{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}
	if out, err := r.AppendJSON(nil); err == nil {
		t.Errorf("AppendJSON = %s, want an error as from json.Marshal", out)
	}
}

// Meta is the part of a record whose JSON is not a struct's: encoding/json
// writes each of its strings for comparison.
func TestMetaIsWrittenAsEncodingJSONWritesItsStrings(t *testing.T) {
	for _, s := range awkward {
		word, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(event.Meta{{Key: s, Value: s}})
		if want := fmt.Sprintf("{%s:%s}", word, word); err != nil || string(got) != want {
			t.Errorf("Meta of %q = %s, %v, want %s", s, got, err, want)
		}
	}
}

func TestEveryRecordComesBackFromJSON(t *testing.T) {
	for _, r := range everyRecord() {
		data, err := r.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var want event.Record
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		got, err := event.ParseJSON(string(data))
		if err != nil {
			t.Errorf("ParseJSON(%s) = %v", data, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseJSON(%s) (-Unmarshal +ParseJSON):\n%s", data, diff)
		}
	}
}

func TestJSONOfOthersIsReadToo(t *testing.T) {
	want := event.Record{Seq: 1, Kind: event.KindLine, Text: "a", Meta: event.Meta{{Key: "k", Value: "w"}, {Key: "l", Value: ""}}}
	for _, in := range []string{
		`{"kind":"line","seq":1,"text":"a","meta":{"k":"w","l":""}}`,
		` { "seq" : 1, "kind" : "line", "text" : "\u0061", "meta" : { "k" : "v", "l" : "", "k" : "w" } } `,
		`{"seq":1,"time":"0001-01-01T00:00:00Z","node":"","of-tomorrow":{"a":[1,null]},"kind":"line","text":"a","meta":{"k":"w","l":""}}`,
	} {
		got, err := event.ParseJSON(in)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("ParseJSON(%s) = %v (-want +got):\n%s", in, err, diff)
		}
	}
}

// Looking through all keys for each key takes the square of them.
func TestDetailsAreBounded(t *testing.T) {
	for n, ok := range map[int]bool{16: true, 17: true, 256: true, 257: false, 100_000: false} {
		data, err := (&event.Record{Kind: event.KindLine, Meta: details(n)}).AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := event.ParseJSON(string(data)); (err == nil) != ok || ok && len(r.Meta) != n {
			t.Errorf("ParseJSON of %d details = %d, %v, want ok=%v", n, len(r.Meta), err, ok)
		}
	}
}

// A kept record must not keep the line in memory that it was read from.
func TestImportedRecordsDoNotHoldTheirLines(t *testing.T) {
	const bound, line = 1 << 20, 64 << 10
	l := event.NewLog("n", bound)
	before := inUse()
	for i := range 1000 {
		data := fmt.Sprintf(`{"seq":%d,"time":"2026-01-02T03:04:05Z","node":"n%d","conn":"c%0100d","kind":"line","text":%q}`, i, i, i, strings.Repeat("x", line))
		r, err := event.ParseJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		r.Text = fmt.Sprint(i)
		l.Import(r)
	}
	grown := inUse() - before
	if n := len(l.After(0, 1000).Records); n != 1000 {
		t.Fatalf("%d records are kept, want all", n)
	}
	if grown > 2*bound {
		t.Errorf("1000 short records take %d KB, want at most %d", grown>>10, 2*bound>>10)
	}
}

// inUse returns the bytes of all objects that are used.
func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func FuzzParseJSON(f *testing.F) {
	for _, r := range everyRecord()[:20] {
		data, _ := r.AppendJSON(nil)
		f.Add(string(data))
	}
	for _, s := range awkward {
		f.Add(`{"seq":1,"time":"2026-01-02T03:04:05-03:00","node":"` + s + `","kind":"line","meta":{"` + s + `":"` + s + `"}}`)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := event.ParseJSON(in)
		var want event.Record
		wantErr := json.Unmarshal([]byte(in), &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("ParseJSON(%q) = %v, Unmarshal = %v", in, err, wantErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseJSON(%q) (-Unmarshal +ParseJSON):\n%s", in, diff)
		}
		var marshalled []byte
		marshalled, wantErr = json.Marshal(want)
		appended, err := got.AppendJSON(nil)
		if (err == nil) != (wantErr == nil) || string(appended) != string(marshalled) {
			t.Errorf("AppendJSON = %s, %v\nMarshal = %s, %v", appended, err, marshalled, wantErr)
		}
	})
}

func FuzzAppendJSON(f *testing.F) {
	for _, s := range awkward {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		r := event.Record{Node: a, Conn: b, Kind: event.KindLine, Text: a, Meta: event.Meta{{Key: b, Value: a}}}
		want, wantErr := json.Marshal(r)
		got, err := r.AppendJSON(nil)
		if err != nil || wantErr != nil || string(got) != string(want) {
			t.Errorf("AppendJSON = %s, %v\nMarshal = %s, %v", got, err, want, wantErr)
		}
	})
}

// written returns the JSON of records as they are while mail goes through.
func written(tb testing.TB) (records []event.Record, lines []string) {
	records = journeytest.New(1, 50).Records
	for i := range records {
		data, err := records[i].AppendJSON(nil)
		if err != nil {
			tb.Fatal(err)
		}
		lines = append(lines, string(data))
	}
	return records, lines
}

func BenchmarkAppendJSON(b *testing.B) {
	records, _ := written(b)
	var out []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		out, _ = records[i%len(records)].AppendJSON(out[:0])
	}
}

func BenchmarkParseJSON(b *testing.B) {
	_, lines := written(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := event.ParseJSON(lines[i%len(lines)]); err != nil {
			b.Fatal(err)
		}
	}
}

// What the observatory does with each record, but for its index.
func BenchmarkParseAndImport(b *testing.B) {
	_, lines := written(b)
	l := event.NewLog("observatory", 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r, err := event.ParseJSON(lines[i%len(lines)])
		if err != nil {
			b.Fatal(err)
		}
		l.Import(r)
	}
}
