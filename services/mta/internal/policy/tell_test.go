package policy

import (
	"context"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
)

func TestWhoIsToldToWhom(t *testing.T) {
	withExpn := func(c *Config) {
		withAliases(c)
		c.Org.SMTP.Expn = true
		c.Org.Aliases["acento"] = lab.Targets{"joão@aurora.test", "bruno"}
	}
	for _, test := range []struct {
		name, vrfy, expn string
		utf8             bool
	}{
		{"bruno", "250 2.1.5 <bruno@boreal.test>", "250 2.1.5 <bruno@boreal.test>", false},
		{"<Postmaster@boreal.test>", "250 2.1.5 <beatriz@boreal.test>", "250 2.1.5 <beatriz@boreal.test>", false},
		{"todos@cname.casos.test", replySeveral.String(), "250 2.1.5 <bruno@cname.casos.test> / <beatriz@cname.casos.test>", false},
		{"equipe", replySeveral.String(), "250 2.1.5 <bruno@boreal.test> / <ana@aurora.test>", false},
		{"acento", replySeveral.String(), replyNoASCII.String(), false},
		{"acento", replySeveral.String(), "250 2.1.5 <joão@aurora.test> / <bruno@boreal.test>", true},
		{"ninguem", "550 5.1.1 <ninguem@boreal.test>: no such mailbox here", "550 5.1.1 <ninguem@boreal.test>: no such mailbox here", false},
		{"ana@aurora.test", "0", `550 5.1.2 "ana@aurora.test": this is not the host of that domain`, false},
		{"a b", "0", `550 5.1.2 "a b": this is not the host of that domain`, false},
	} {
		s, _ := open(t, withExpn)
		for want, ask := range map[*string]func(context.Context, string, bool) (reply.Reply, error){
			&test.vrfy: s.(smtpd.Teller).Verify, &test.expn: s.(smtpd.Teller).Expand,
		} {
			r, err := ask(t.Context(), test.name, test.utf8)
			if err != nil {
				r = reply.Of(err)
			}
			if r.String() != *want {
				t.Errorf("%s: %s, want %s", test.name, r, *want)
			}
		}
	}
	s, _ := open(t, withAliases)
	for _, ask := range []func(context.Context, string, bool) (reply.Reply, error){s.(smtpd.Teller).Verify, s.(smtpd.Teller).Expand} {
		if r, err := ask(t.Context(), "todos", false); r.Code != 0 || err != nil {
			t.Errorf("switched off: %s, %v", r, err)
		}
	}
}

// VRFY said 550 of them: no such mailbox.
func TestNamesThatRCPTTakesAreNotDenied(t *testing.T) {
	const untold, moved, forwarded = "0", "551 5.1.6 User not local; please try ", "251 2.1.5 User not local; will forward to "
	for _, test := range []struct {
		name, elsewhere, vrfy string
		utf8                  bool
	}{
		{"cinza", "carla@cedro.test", untold, false},
		{"Lento@cname.casos.test", "carla@cedro.test", untold, false},
		{"ocupado", "carla@cedro.test", untold, false},
		{"cheio", "carla@cedro.test", untold, false},
		{"rejeita-dados", "carla@cedro.test", untold, false},
		{"SRS0=AAAA=BB=aurora.test=ana", "carla@cedro.test", untold, false},
		{"encaminha", "carla@cedro.test", forwarded + "<carla@cedro.test>", false},
		{"mudou", "carla@cedro.test", moved + "<carla@cedro.test>", false},
		{"mudou", "josé@cedro.test", replyNoASCII.String(), false},
		{"mudou", "josé@cedro.test", moved + "<josé@cedro.test>", true},
	} {
		s, _ := open(t, func(c *Config) {
			withAliases(c)
			c.Org.SMTP.Expn, c.Org.Elsewhere = true, test.elsewhere
		})
		r, err := s.(smtpd.Teller).Verify(t.Context(), test.name, test.utf8)
		if err != nil {
			r = reply.Of(err)
		}
		if r.String() != test.vrfy {
			t.Errorf("VRFY %s: %s, want %s", test.name, r, test.vrfy)
		}
		if r, err := s.(smtpd.Teller).Expand(t.Context(), test.name, test.utf8); err != nil || r.String() != replyUntold.String() {
			t.Errorf("EXPN %s: %s, %v", test.name, r, err)
		}
	}
}
