package mta

import (
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// A message as large as the backup takes was larger than what the primary takes by
// the backup's Received line, and was given back; so was a submitted one.
func TestTheLargestMessageThatIsTakenCanBePassedOn(t *testing.T) {
	for _, test := range []struct {
		name, from, at, user string
		primary              bool
	}{
		{"to the backup", "198.18.3.25", "198.18.2.26:25", "", true},
		{"submitted", pc, "198.18.1.25:587", "ana", true},
		{"submitted, and brought to the backup", pc, "198.18.1.25:587", "ana", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.mta("aurora", "mx1.aurora.test", 1)
			backup := w.mta("boreal", "mx2.boreal.test", 1000)
			box := w.mda("198.19.2.110:24")
			if test.primary {
				w.mta("boreal", "mx1.boreal.test", 1)
			}
			c := w.connect(test.from, test.at, test.user)
			large := largest(int(c.MaxSize()))
			res := w.send(c, "ana@aurora.test", large, "bruno@boreal.test")
			if id := smtpc.QueuedAs(res[0].Reply); id == "" {
				t.Fatalf("%d octets, as announced: %v", len(large), res[0].Reply)
			}
			if !test.primary {
				backup.waitEvent(t, "the acceptance", func(r event.Record) bool { return r.Text == event.Accepted })
				w.mta("boreal", "mx1.boreal.test", 1)
			}
			if got := box.wait(t, 1)[0]; !strings.HasSuffix(got.message, large) {
				t.Errorf("%d octets are stored, want %d with trace lines in front", len(got.message), len(large))
			}
		})
	}
}

// largest is a message of this many octets.
func largest(octets int) string {
	const head, line = "Subject: large\r\n\r\n", "0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
	lines := (octets - len(head)) / len(line)
	rest := octets - len(head) - lines*len(line)
	return head + strings.Repeat(line, lines-1) + strings.Repeat("x", rest) + line
}
