package pc_test

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpc"
	"correio/services/mda"
	"correio/services/pc"
)

// mda starts Aurora's MDA and puts messages into ana's mailbox.
func (w *world) mda(messages ...string) { w.mdaWith(nil, messages...) }

// mdaWith is mda with a certificate of the test's, unless that is nil.
func (w *world) mdaWith(cert *tls.Certificate, messages ...string) {
	w.t.Helper()
	env := labtest.Env(w.t, w.stack, aurora, "mda.aurora.test")
	if cert != nil {
		env.Cert = cert
	}
	n, err := mda.New(env)
	if err != nil {
		w.t.Fatal(err)
	}
	labtest.Start(w.t, n)
	conn, err := w.stack.Dial(w.t.Context(), "tcp", mx1LAN, netip.AddrPortFrom(env.Host.LAN, mda.PortLMTP))
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := smtpc.Open(w.t.Context(), conn, smtpc.Options{Protocol: smtpc.LMTP, Hello: "mx1.aurora.test", Host: "mda.aurora.test"})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Quit(w.t.Context())
	to := []smtpc.Recipient{{To: mailaddr.Address{Local: "ana", Domain: "aurora.test"}}}
	for _, m := range messages {
		if r := c.Send(w.t.Context(), smtpc.Envelope{To: to}, strings.NewReader(m), smtpc.SendOptions{}); !r[0].Delivered() {
			w.t.Fatalf("deliver: %+v", r)
		}
	}
}

func TestFetchBringsMailOctetForOctet(t *testing.T) {
	t.Parallel()
	messages := []string{
		"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n", "Subject: long\r\n\r\n" + strings.Repeat("y", 70_000) + "\r\n",
		"Subject: empty\r\n\r\n", "Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("z", 70)+"\r\n", 5000),
	}
	w := newWorld(t)
	w.mda(messages...)
	for _, how := range []string{"none", "starttls", "tls"} {
		var got answer
		w.post("/fetch", map[string]any{"user": "ana@aurora.test", "tls": how, "keep": true}, http.StatusOK, &got)
		if !got.OK || len(got.Messages) != len(messages) {
			t.Fatalf("%s: %v %s %s, %d messages", how, got.OK, got.Step, got.Reply, len(got.Messages))
		}
		for i, m := range got.Messages {
			head, ok := strings.CutSuffix(string(m.EML), messages[i])
			if !ok || !strings.HasPrefix(head, "Return-Path: <>\r\nDelivered-To: ana@aurora.test\r\nReceived: ") ||
				int64(len(m.EML)) != m.Size || m.UID == "" {
				t.Errorf("%s: message %d: uid %q, %d octets, size %d", how, i, m.UID, len(m.EML), m.Size)
			}
		}
		if !got.said(">", "AUTH SCRAM-SHA-256 ****") || got.said(">", "DELE 1") || !got.said(">", "QUIT") || got.sized("<") != len(messages) {
			t.Errorf("%s: transcript %+v", how, got.Lines)
		}
	}
	var one, rest, none answer
	w.post("/fetch", pc.FetchRequest{User: "ana", Keep: true}, http.StatusOK, &rest)
	w.post("/fetch", pc.FetchRequest{User: "ana", UIDL: rest.Messages[1].UID}, http.StatusOK, &one)
	if len(one.Messages) != 1 || one.Messages[0].UID != rest.Messages[1].UID {
		t.Errorf("one by its unique-id: %d messages", len(one.Messages))
	}
	w.post("/fetch", pc.FetchRequest{User: "ana"}, http.StatusOK, &rest)
	w.post("/fetch", pc.FetchRequest{User: "ana"}, http.StatusOK, &none)
	if len(rest.Messages) != len(messages)-1 || len(none.Messages) != 0 || !none.OK {
		t.Errorf("%d messages after one was taken, %d after all were", len(rest.Messages), len(none.Messages))
	}
	protos := map[string]bool{}
	for _, r := range w.env.Events.After(0, 100_000).Records {
		if r.Kind == event.KindConn && r.Text == event.Open && r.Meta.Get(event.Role) == "client" && r.Meta.Get(event.Host) == "mda.aurora.test" {
			protos[r.Meta.Get(event.Proto)+" "+r.Meta.Get(event.Remote)] = true
		}
	}
	if !protos["pop3 198.19.1.110:110"] || !protos["pop3s 198.19.1.110:995"] {
		t.Errorf("connections %v", protos)
	}
}

func TestFetchNamesTheStepThatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got answer
	w.post("/fetch", pc.FetchRequest{User: "ana"}, http.StatusOK, &got)
	if got.OK || got.Step != "connect" || got.Messages == nil || got.Lines == nil {
		t.Errorf("nobody listens: %+v", got)
	}
	evil := newWorld(t)
	evil.mdaWith(evil.stack.Certificate("evil.test"))
	for _, how := range []string{"starttls", "tls"} {
		evil.post("/fetch", map[string]string{"user": "ana", "tls": how}, http.StatusOK, &got)
		if got.OK || got.Step != "tls" || !strings.Contains(got.Reply, "certificate") || got.said(">", "AUTH SCRAM-SHA-256 ****") {
			t.Errorf("another's certificate by %s: %+v", how, got)
		}
	}
	w.mda()
	w.post("/fetch", pc.FetchRequest{User: "ana", Password: "wrong"}, http.StatusOK, &got)
	if got.OK || got.Step != "auth" || got.Reply != "-ERR [AUTH] wrong name or password" {
		t.Errorf("wrong password: %+v", got)
	}
	w.post("/fetch", pc.FetchRequest{User: "postmaster"}, http.StatusOK, &got)
	if !got.OK {
		t.Errorf("by an alias: %+v", got)
	}
}
