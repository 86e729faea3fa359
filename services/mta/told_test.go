package mta

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// After a stop that was longer than mail lives, the delay notice promised attempts
// until a day that was over: it counted from the arrival, and the queue from the
// last chance that it gives to old mail.
func TestDelayNoticeNamesWhenTheQueueGivesUp(t *testing.T) {
	w := newWorld(t)
	w.again = tuning{resumed: 100 * time.Millisecond, chance: 2 * time.Second}
	stopped, _ := w.stopped(t, shift("arrived", -30*day))
	box := w.mda("198.19.1.110:24")
	began := time.Now()
	again := w.restart(stopped.env)
	r := parseReport(t, box.wait(t, 1)[0].message)
	until, err := time.Parse(time.RFC1123Z, r.Recipients[0].Get("Will-Retry-Until"))
	if early, late := began.Add(again.lastChance-time.Second), time.Now().Add(again.lastChance); err != nil || until.Before(early) || until.After(late) {
		t.Errorf("%s on %s: until %s, %v; want %s at the earliest", r.Recipients[0].Get("Action"), began, until, err, early)
	}
	if said := until.Format("2006-01-02 15:04 -0700"); strings.Count(r.Text, said) != 2 {
		t.Errorf("no %s in\n%s", said, r.Text)
	}
}

// RFC 3463 §3.5: X.4.7 is the status when time was over. A greeting of 5xx is waited
// out, and its code was given for the reason why the mail came back.
func TestHostThatGreetsWith554ToTheEndIsReportedAsTimeOver(t *testing.T) {
	w := newWorld(t)
	w.tuned("aurora", "mx1.aurora.test", fast, quick)
	box := w.mda("198.19.1.110:24")
	w.scripted("198.18.9.1:25", "S: 554 5.3.2 No mail here")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	w.send(c, "ana@aurora.test", message, "x@one.casos.test")
	r := parseReport(t, box.wait(t, 2)[1].message)
	f := r.Recipients[0]
	for name, want := range map[string]string{
		"Action": "failed", "Status": "4.4.7", "Remote-MTA": "dns; a.two.casos.test", "Diagnostic-Code": "smtp; 554 5.3.2 No mail here",
	} {
		if f.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, f.Get(name), want)
		}
	}
	for _, want := range []string{
		"no attempt succeeded within the time that a message is kept; at the last one: a.two.casos.test said: 554 5.3.2 No mail here",
		"na última: a.two.casos.test respondeu: 554 5.3.2 No mail here",
	} {
		if !strings.Contains(r.Text, want) {
			t.Errorf("no %q in\n%s", want, r.Text)
		}
	}
}

// Mail that is parked until its end was given back in our own name, with the host's
// words.
func TestReportOfParkedMailSaysWhoseWordItIs(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", fast, quick)
	box := w.mda("198.19.1.110:24")
	w.scripted("198.18.9.1:25", "S: 554 5.3.2 No mail here")
	const mails = 12
	w.queued(t, aurora, slices.Repeat([]string{"x@one.casos.test"}, mails)...)
	for _, s := range box.wait(t, 2*mails) {
		r := parseReport(t, s.message)
		if f := r.Recipients[0]; f.Get("Diagnostic-Code") != "smtp; 554 5.3.2 No mail here" || f.Get("Remote-MTA") != "dns; a.two.casos.test" {
			t.Errorf("%v", f)
		}
	}
}
