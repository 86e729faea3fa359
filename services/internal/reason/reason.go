// Package reason holds why things went as they did, as data: a rule and what it
// was applied to. Nodes write reasons into their records (event.Rules; into
// event.Note what was unusual; into event.Summary what stands in place of lines),
// journeys carry them to programs, and people read them in their own language.
//
// What a record says comes from another node and is untrusted: Parse takes any
// text, and no reason makes In fail.
package reason

import (
	"strings"

	"correio/services/internal/text"
)

// Rule names what decided.
type Rule string

// Reason is one decision: the rule and what it was applied to.
type Reason struct {
	Rule Rule     `json:"rule"`
	Args []string `json:"args,omitempty"` // what the rule's text speaks of, in its order
}

// New makes a Reason.
func New(rule Rule, args ...string) Reason { return Reason{Rule: rule, Args: args} }

// In says the reason in a language.
func (r Reason) In(lang text.Lang) string {
	t, ok := texts[r.Rule]
	if !ok { // of a node that knows more rules than we do
		return strings.Join(append([]string{string(r.Rule)}, r.Args...), " ")
	}
	return strings.TrimSuffix(t.Fill(lang, r.Args...), ": ")
}

// String says the reason in English.
func (r Reason) String() string { return r.In(text.English) }

// Said is a reason for programs, with its text in one language.
type Said struct {
	Reason
	Text string `json:"text"`
}

// Say puts reasons into words.
func Say(lang text.Lang, reasons ...Reason) []Said {
	said := make([]Said, len(reasons))
	for i, r := range reasons {
		said[i] = Said{r, r.In(lang)}
	}
	return said
}

// Describe joins what reasons say in English.
func Describe(reasons []Reason) string { return DescribeIn(text.English, reasons) }

// DescribeIn joins what reasons say in a language.
func DescribeIn(lang text.Lang, reasons []Reason) string {
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = r.In(lang)
	}
	return strings.Join(parts, "; ")
}
