package mta

import (
	"net/netip"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpc"
)

// An organisation chooses what it offers, and whether TLS must come first.
func TestAUTHIsAsTheOrganisationWantsIt(t *testing.T) {
	for name, test := range map[string]struct {
		smtp  lab.SMTP
		clear string // what AUTH offers there; "" for nothing
	}{
		"as it is right":   {lab.SMTP{}, ""},
		"without TLS":      {lab.SMTP{AuthWithoutTLS: true}, "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256"},
		"only what is old": {lab.SMTP{AuthWithoutTLS: true, Auth: []string{"LOGIN", "CRAM-MD5"}}, "LOGIN CRAM-MD5"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			env := labtest.Env(w.t, w.stack, "../../deploy/aurora", "mx1.aurora.test")
			env.Org.SMTP = test.smtp
			n, err := New(env)
			if err != nil {
				t.Fatal(err)
			}
			labtest.Start(t, n)
			for _, port := range []string{"587", "589"} {
				c := w.inClear("198.18.1.25:"+port, "")
				offer, announced := c.Extension("AUTH")
				if offer != test.clear || announced != (test.clear != "") {
					t.Errorf("port %s offers %q in clear", port, offer)
				}
				if err := c.Auth(t.Context(), "ana", "ana"); (err == nil) != announced {
					t.Errorf("port %s in clear: %v", port, err)
				}
				if _, announced := w.connect(pc, "198.18.1.25:"+port, "ana").Extension("AUTH"); !announced {
					t.Errorf("port %s offers nothing over TLS", port)
				}
			}
			if _, announced := w.inClear("198.18.1.25:25", "").Extension("AUTH"); announced {
				t.Error("port 25 offers AUTH")
			}
			notes := map[string]int{}
			for _, r := range env.Events.After(0, 1000).Records {
				if r.Kind == event.KindAuth {
					notes[r.Text+" "+r.Meta.Get(event.Note)]++
				}
			}
			if want := map[bool]int{true: 2}[test.clear != ""]; notes["accepted "] != 2 || notes["accepted in-clear"] != want {
				t.Errorf("recorded %v", notes)
			}
		})
	}
}

// inClear opens a connection that may log in without TLS, by the strongest
// mechanism if none is named.
func (w *world) inClear(to, mechanism string) *smtpc.Client {
	w.t.Helper()
	conn, err := w.stack.Dial(w.t.Context(), "tcp", netip.MustParseAddr(pc), netip.MustParseAddrPort(to))
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := smtpc.Open(w.t.Context(), conn, smtpc.Options{Hello: "pc.aurora.test", AuthInClear: true, Mechanism: mechanism})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// Who logs in sends as themselves, by whatever mechanism and spelling.
func TestLoginByAnyMechanismOwnsTheSameAddresses(t *testing.T) {
	w := newWorld(t)
	env := labtest.Env(w.t, w.stack, "../../deploy/aurora", "mx1.aurora.test")
	env.Org.SMTP.AuthWithoutTLS = true
	n, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	labtest.Start(t, n)
	w.mda("198.19.1.110:24")
	for _, mechanism := range sasl.Mechanisms {
		for _, user := range []string{"ana", "ANA", "Ana@Aurora.test"} {
			c := w.inClear("198.18.1.25:587", mechanism)
			if err := c.Auth(t.Context(), user, "ana"); err != nil {
				t.Fatalf("%s as %q: %v", mechanism, user, err)
			}
			if r := w.send(c, "alice@aurora.test", message, "alice@aurora.test")[0]; r.Reply.Code != 553 {
				t.Errorf("%s as %q, from alice: %+v", mechanism, user, r)
			}
			if r := w.send(c, "ana@aurora.test", message, "alice@aurora.test")[0]; !r.Delivered() {
				t.Errorf("%s as %q, from ana: %+v", mechanism, user, r)
			}
		}
	}
}
