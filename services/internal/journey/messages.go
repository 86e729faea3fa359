package journey

import (
	"iter"
	"slices"
	"strings"

	"correio/services/internal/event"
)

// List returns a summary of every message that an MTA accepted, newest first,
// limit of them at most (0 for all).
func List(records []event.Record, limit int) []Summary { return indexed(records).List(limit) }

// List is as the function List, of the records at hand.
func (x *Index) List(limit int) []Summary {
	var all []Summary
	for s := range x.messages() {
		all = append(all, s)
		if len(all) == limit {
			break
		}
	}
	return all
}

// Newest returns the name of the newest message that a person sent, or else of
// the newest report, "" when there is no message.
func (x *Index) Newest() string {
	newest := ""
	for s := range x.messages() {
		// Reports have the null reverse-path (RFC 5321 §4.5.5); nobody sent them.
		if s.From != "" {
			return s.Message
		}
		if newest == "" {
			newest = s.Message
		}
	}
	return newest
}

// messages yields a summary of every message that an MTA accepted, newest first.
func (x *Index) messages() iter.Seq[Summary] {
	return func(yield func(Summary) bool) {
		first := map[string]*event.Record{}
		for _, r := range slices.Backward(x.accepted) {
			if x.handed(r) {
				continue // another MTA had it before; it goes by its name there
			}
			name := nameOf(r)
			if _, known := first[name]; !known {
				first[name] = x.firstOf(r)
			}
			if first[name] == r && !yield(summarize(name, r)) {
				return
			}
		}
	}
}

// handed reports whether an MTA handed the message to the one that accepted it.
// Only of one without Message-ID it must be asked.
func (x *Index) handed(r *event.Record) bool {
	return r.Message == "" && slices.ContainsFunc(x.byNext.m[r.Queue], func(from *event.Record) bool { return from.Node != r.Node })
}

// firstOf returns the first record of an MTA that accepted the message of r.
func (x *Index) firstOf(r *event.Record) *event.Record {
	if r.Message != "" {
		return x.byMessage.m[r.Message].first(accepted)
	}
	return x.byQueue.m[r.Queue].first(func(other *event.Record) bool {
		return accepted(other) && other.Message == "" && other.Node == r.Node
	})
}

// SummaryOf returns a summary of the message that an MTA accepts by a record; ok
// is false for every other record.
func SummaryOf(r *event.Record) (s Summary, ok bool) {
	if !accepted(r) {
		return Summary{}, false
	}
	return summarize(nameOf(r), r), true
}

func summarize(name string, r *event.Record) Summary {
	return Summary{Message: name, From: bare(r.Meta.Get(event.From)), To: splitList(r.Meta.Get(event.To)), Started: r.Time, Node: r.Node}
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ", ")
}

// bare takes the angle brackets off a path; the null reverse-path is "".
func bare(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "<"), ">")
}
