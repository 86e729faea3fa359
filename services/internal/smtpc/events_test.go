package smtpc

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
)

func TestEventsTellTheDialogueAndMaskSecrets(t *testing.T) {
	conn, finish := converse(t, `
		S: 220 mx1
		C: EHLO pc.aurora.test
		S: 250-mx1
		S: 250 AUTH LOGIN
		C: AUTH LOGIN
		S: 334 VXNlcm5hbWU6
		C: YW5h
		S: 334 UGFzc3dvcmQ6
		C: c2VncmVkbw==
		S: 535 5.7.8 No
		C: QUIT
		S: 221 2.0.0 Bye`)
	log := event.NewLog("pc.aurora.test", 0)
	var traced []string
	c, err := Open(t.Context(), conn, Options{
		Protocol: Submission, Hello: "pc.aurora.test", Host: "mx1", Events: log, AuthInClear: true,
		Trace: func(l Line) { traced = append(traced, string(l.Dir)+" "+l.Text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := c.Auth(t.Context(), "ana", "segredo"); !errors.As(err, &e) || !e.Permanent() || e.Reply.Code != 535 {
		t.Errorf("auth: %v", err)
	}
	c.Quit(t.Context())
	finish()
	want := []string{
		"< 220 mx1", "> EHLO pc.aurora.test", "< 250-mx1", "< 250 AUTH LOGIN", "> AUTH LOGIN", "< 334 VXNlcm5hbWU6",
		"> ****", "< 334 UGFzc3dvcmQ6", "> ****", "< 535 5.7.8 No", "> QUIT", "< 221 2.0.0 Bye",
	}
	if d := cmp.Diff(want, traced); d != "" {
		t.Errorf("trace (-want +got)\n%s", d)
	}
	var kinds []string
	for _, r := range log.After(0, 100).Records {
		if strings.Contains(r.Text, "c2Vn") {
			t.Errorf("the password is in %+v", r)
		}
		if r.Kind != event.KindLine {
			kinds = append(kinds, string(r.Kind)+" "+r.Text)
		}
	}
	if d := cmp.Diff([]string{"conn open", "auth refused", "conn close"}, kinds); d != "" {
		t.Errorf("events (-want +got)\n%s", d)
	}
}

// The tabs of every Received field were shown as "\x09", and the events had that
// in their place.
func TestEventsKeepTheOctetsThatTracesSpellOut(t *testing.T) {
	conn, finish := converse(t, "S: 554 no\tand \x1b[31mno\u202e")
	log := event.NewLog("mx1.aurora.test", 0)
	var traced, kept string
	_, err := Open(t.Context(), conn, Options{
		Hello: "mx1.aurora.test", Events: log, Trace: func(l Line) { traced = l.Text },
	})
	if err == nil {
		t.Error("no error of a 554")
	}
	finish()
	for _, r := range log.After(0, 100).Records {
		if r.Kind == event.KindLine {
			kept = r.Text
		}
	}
	if want := "554 no\tand \x1b[31mno\u202e"; kept != want {
		t.Errorf("event %q, want %q", kept, want)
	}
	if want := `554 no    and \x1b[31mno\u202e`; traced != want {
		t.Errorf("trace %q, want %q", traced, want)
	}
}
