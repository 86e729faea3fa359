package smtpc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A transaction that is spoken as it becomes known: what is said when, and what
// comes of it. Steps are "name X", "finish", "drop"; the next transaction on the
// connection begins with "begin".
func TestTransactionThatIsSpokenAsItBecomesKnown(t *testing.T) {
	const (
		lhlo  = "S: 220 x\nC: LHLO mx1.aurora.test\nS: 250-x\nS: 250 PIPELINING\n"
		mail  = "C: MAIL FROM:<ana@aurora.test>\nS: 250 Ok\n"
		bruno = "C: RCPT TO:<bruno@boreal.test>\nS: 250 2.1.5 Bruno\n"
		carla = "C: RCPT TO:<carla@boreal.test>\nS: 550 5.1.1 Who?\n"
		data  = "C: DATA\nS: 354 Go\nC: Oi\nC: .\n"
		both  = "C: MAIL FROM:<ana@aurora.test>\nC: RCPT TO:<bruno@boreal.test>\n"
	)
	for _, test := range []struct {
		name, script string
		steps        []string
		want         []string
		usable       bool
	}{
		{"one recipient", lhlo + mail + bruno + data + "S: 250 2.1.5 Stored\n",
			[]string{"name bruno", "finish"}, []string{"250 2.1.5 Bruno", "done: 250 2.1.5 Stored"}, true},
		{"who was refused gets nothing", lhlo + mail + carla + bruno + bruno + data + "S: 250 Ok\nS: 452 4.2.2 Full\n",
			[]string{"name carla", "name bruno", "name bruno", "finish"},
			[]string{"550 5.1.1 Who?", "250 2.1.5 Bruno", "250 2.1.5 Bruno", "done: 250 Ok", "done: 452 4.2.2 Full"}, true},
		{"taken back", lhlo + mail + bruno + "C: RSET\nS: 250 Ok\n", []string{"name bruno", "drop"}, []string{"250 2.1.5 Bruno"}, true},
		{"taken back before anything was said", lhlo, []string{"drop"}, nil, true},
		{"taken back, which is refused", lhlo + mail + bruno + "C: RSET\nS: 500 What?\n", []string{"name bruno", "drop"}, []string{"250 2.1.5 Bruno"}, false},
		{"the second one is pipelined", lhlo + mail + bruno + data + "S: 250 Ok\n" + both + "S: 250 Ok\nS: 250 2.1.5 Bruno\n" + data + "S: 250 Ok\n",
			[]string{"name bruno", "finish", "begin", "name bruno", "finish"},
			[]string{"250 2.1.5 Bruno", "done: 250 Ok", "250 2.1.5 Bruno", "done: 250 Ok"}, true},
		{"MAIL is refused", lhlo + "C: MAIL FROM:<ana@aurora.test>\nS: 452 4.3.1 Full\n" + mail + bruno,
			[]string{"name bruno", "name bruno"}, []string{"452 4.3.1 Full", "250 2.1.5 Bruno"}, true},
		{"MAIL is refused in a pipeline", lhlo + mail + bruno + "C: RSET\nS: 250 Ok\n" + both + "S: 452 4.3.1 Full\nS: 503 No\n",
			[]string{"name bruno", "drop", "begin", "name bruno", "drop"}, []string{"250 2.1.5 Bruno", "452 4.3.1 Full"}, true},
		{"DATA is refused", lhlo + mail + bruno + "C: DATA\nS: 451 4.3.0 Later\nC: RSET\nS: 250 Ok\n",
			[]string{"name bruno", "finish"}, []string{"250 2.1.5 Bruno", "data: 451 4.3.0 Later"}, true},
		{"421 to RCPT", lhlo + mail + "C: RCPT TO:<bruno@boreal.test>\nS: 421 4.3.2 Bye\n", []string{"name bruno"}, []string{"rcpt: 421 4.3.2 Bye"}, false},
		{"gone at MAIL", lhlo + "C: MAIL*\n", []string{"name bruno"}, []string{"mail: EOF"}, false},
		{"gone behind the dot", lhlo + mail + bruno + data, []string{"name bruno", "finish"}, []string{"250 2.1.5 Bruno", "done: EOF"}, false},
		{"354 to RCPT", lhlo + mail + "C: RCPT TO:<bruno@boreal.test>\nS: 354 Go\n", []string{"name bruno"}, []string{"rcpt: reply is out of place: 354 Go"}, false},
		{"251 to MAIL", lhlo + "C: MAIL FROM:<ana@aurora.test>\nS: 251 Why\n", []string{"name bruno"}, []string{"mail: reply is out of place: 251 Why"}, false},
		{"by chunks", "S: 220 x\nC: LHLO mx1.aurora.test\nS: 250-x\nS: 250 CHUNKING\n" + mail + bruno + "C: BDAT 4 LAST\nC: Oi\nS: 250 Ok\n",
			[]string{"name bruno", "finish"}, []string{"250 2.1.5 Bruno", "done: 250 Ok"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, finish := converse(t, strings.ReplaceAll(test.script, "C: MAIL*", "C: MAIL FROM:<ana@aurora.test>"))
			c, err := Open(t.Context(), conn, Options{Protocol: LMTP, Hello: "mx1.aurora.test"})
			if err != nil {
				t.Fatal(err)
			}
			env := envelope(t, "ana@aurora.test")
			b := c.Begin(env, "Q1")
			var got []string
			for _, step := range test.steps {
				verb, who, _ := strings.Cut(step, " ")
				switch verb {
				case "begin":
					b = c.Begin(env, "Q2")
				case "name":
					rep, err := b.Name(t.Context(), envelope(t, "", who+"@boreal.test").To[0])
					if err != nil {
						got = append(got, err.Error())
						continue
					}
					got = append(got, rep.String())
				case "drop":
					b.Drop(t.Context())
				case "finish":
					for _, r := range b.Finish(t.Context(), strings.NewReader("Oi\r\n"), SendOptions{Chunking: true}) {
						if r.Err != nil {
							got = append(got, fmt.Sprintf("%s: %v", r.Step, r.Err))
							continue
						}
						got = append(got, fmt.Sprintf("%s: %s", r.Step, r.Reply))
					}
				}
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if c.Usable() != test.usable {
				t.Errorf("usable: %t", c.Usable())
			}
			finish()
		})
	}
}

func TestErrorOfAQuestionSaysWhere(t *testing.T) {
	conn, finish := converse(t, "S: 220 x\nC: LHLO mx1.aurora.test\nS: 250 x\nC: MAIL FROM:<ana@aurora.test>\nS: 421 4.3.2 Bye\n")
	c, err := Open(t.Context(), conn, Options{Protocol: LMTP, Hello: "mx1.aurora.test"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Begin(envelope(t, "ana@aurora.test"), "").Name(t.Context(), Recipient{})
	var e *Error
	if !errors.As(err, &e) || e.Step != StepMail || e.Reply.Code != 421 {
		t.Errorf("got %v", err)
	}
	finish()
}
