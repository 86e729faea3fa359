package journey

import (
	"cmp"
	"slices"
	"strings"
)

// outcome is the server's last reply that does not answer QUIT or RSET; of a
// transaction that failed, the refusal that made it fail.
func outcome(kind Kind, lines []Line) string {
	var d dialogue
	word, refusal := "", ""
	for _, l := range lines {
		switch {
		case l.Dir == ">":
			d.said(l.Text)
			if isStarter(l.Text, kind) {
				refusal = ""
			}
		case l.Dir != "<" || kind == POP3 && !strings.HasPrefix(l.Text, "+OK") && !strings.HasPrefix(l.Text, "-ERR"):
			// a note, or a line of a message or of a list
		case !slices.ContainsFunc([]string{"QUIT", "RSET"}, d.answers(l.Text)):
			word = l.Text
			if failed(kind, word) {
				refusal = cmp.Or(refusal, word)
			}
		}
	}
	if failed(kind, word) {
		return refusal
	}
	return word
}

// dialogue keeps the commands that no reply has come to yet: a client that
// pipelines is answered in order (RFC 2920).
type dialogue struct {
	pending []string
	message bool // the client's lines are those of a message
}

func (d *dialogue) said(line string) {
	if !d.message {
		d.pending = append(d.pending, strings.TrimSpace(line))
	}
}

// answers takes a line of a reply and returns a test of the command that it
// answers. The greeting answers none.
func (d *dialogue) answers(line string) func(verb string) bool {
	command := ""
	switch {
	case d.message: // its end was answered; not every node records the dot
		d.message = false
	case len(d.pending) > 0:
		command = d.pending[0]
		if len(line) < 4 || line[3] != '-' { // the last line of its reply
			d.pending = d.pending[1:]
		}
	}
	d.message = strings.HasPrefix(line, "354")
	return func(verb string) bool { return strings.EqualFold(command, verb) }
}
