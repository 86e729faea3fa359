package main

import (
	"strings"
	"testing"
	"time"

	"correio/services/correio/internal/client"
	"correio/services/internal/text"
)

// Seven messages that had never been tried were all to be tried "now", and so said
// the page about one of them: they waited for the probe of their dead destination,
// which one of them made.
func TestQueueSaysWhoWaitsForAProbe(t *testing.T) {
	soon, past := time.Now().Add(9*time.Second+500*time.Millisecond), time.Now().Add(-time.Minute)
	for _, test := range []struct {
		name       string
		attempts   int
		next       *time.Time
		what       client.Prospect
		row, rowPT string
		show, pt   string
	}{
		{
			"parked", 0, &soon, client.Prospect{Parked: true}, "\t0\tprobe in 9s\t", "\t0\tsondagem em 9s\t",
			"x@x.test: not tried yet, waits for a probe of its dead destination, next probe in 9s\n",
			"x@x.test: ainda não tentada, espera por uma sondagem do seu destino morto, próxima sondagem em 9s\n",
		},
		{
			"parked after attempts", 3, &soon, client.Prospect{Parked: true}, "\t3\tprobe in 9s\t", "\t3\tsondagem em 9s\t",
			"x@x.test: 3 attempt(s), waits for a probe of its dead destination, next probe in 9s\n",
			"x@x.test: 3 tentativa(s), espera por uma sondagem do seu destino morto, próxima sondagem em 9s\n",
		},
		{
			"parked while one is made", 0, &past, client.Prospect{Parked: true, Probing: true}, "\t0\tprobe now\t", "\t0\tsondagem agora\t",
			"x@x.test: not tried yet, waits for a probe of its dead destination, a probe is under way\n",
			"x@x.test: ainda não tentada, espera por uma sondagem do seu destino morto, há uma sondagem em curso\n",
		},
		{
			"the probe", 1, &soon, client.Prospect{Running: true}, "\t1\tnow\t", "\t1\tagora\t",
			"x@x.test: 1 attempt(s), an attempt is under way, its destination is dead\n",
			"x@x.test: 1 tentativa(s), há uma tentativa em curso, seu destino está morto\n",
		},
		{
			"a time of its own", 1, &soon, client.Prospect{}, "\t1\tin 9s\t", "\t1\tem 9s\t",
			"x@x.test: 1 attempt(s), next in 9s, its destination is dead\n", "x@x.test: 1 tentativa(s), próxima em 9s, seu destino está morto\n",
		},
	} {
		m := client.Queued{ID: "ABC", To: []string{"x@x.test"}, Attempts: test.attempts, NextAttempt: test.next, Prospect: test.what, State: "deferred"}
		r := client.QueuedRecipient{Address: "x@x.test", Attempts: test.attempts, NextAttempt: test.next, Prospect: test.what, Dead: true}
		for lang, want := range map[text.Lang][2]string{text.English: {test.row, test.show}, text.Portuguese: {test.rowPT, test.pt}} {
			var b strings.Builder
			a := &app{stdout: &b, lang: lang}
			if err := a.showQueued("mx1.aurora.test", client.QueuedDetails{Queued: m, Recipients: []client.QueuedRecipient{r}}); err != nil {
				t.Fatal(err)
			}
			if row := a.queueRow(m); !strings.Contains(row, want[0]) || !strings.Contains(b.String(), want[1]) {
				t.Errorf("%s: no %q or %q in\n%s\n%s", test.name, want[0], want[1], row, b.String())
			}
		}
	}
}

// README promised "until when", and nothing told it.
func TestShowTellsUntilWhenAMessageIsKept(t *testing.T) {
	until := time.Date(2026, 12, 6, 9, 30, 0, 0, time.Local)
	for lang, want := range map[text.Lang]string{text.English: ", kept until 2026-12-06 09:30:00\n", text.Portuguese: ", guardado até 2026-12-06 09:30:00\n"} {
		var b strings.Builder
		a := &app{stdout: &b, lang: lang}
		if err := a.showQueued("mx1.aurora.test", client.QueuedDetails{Recipients: []client.QueuedRecipient{{Address: "x@x.test", KeptUntil: &until}}}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
