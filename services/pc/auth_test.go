package pc_test

import (
	"net/http"
	"testing"

	"correio/services/pc"
)

// A person may log in by any mechanism that the server offers, and see what that
// looks like.
func TestLoginByEachMechanism(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bag := w.submission(w.stack.Certificate("mx1.aurora.test"))
	w.mda("Subject: x\r\n\r\nx\r\n")
	lines := map[string]string{
		"": "AUTH SCRAM-SHA-256 ****", "scram-sha-256": "AUTH SCRAM-SHA-256 ****", "CRAM-MD5": "AUTH CRAM-MD5",
		"plain": "AUTH PLAIN ****", "Login": "AUTH LOGIN", "user": "USER ana",
	}
	for mechanism, line := range lines {
		for password, want := range map[string]bool{"": true, "wrong": false} {
			var got answer
			if mechanism != "user" {
				req := pc.SendRequest{From: "ana@aurora.test", To: []string{"bruno@boreal.test"}, Auth: mechanism, Password: password}
				w.post("/send", req, http.StatusOK, &got)
				if got.OK != want || !got.said(">", line) || !want && got.Step != "auth" {
					t.Errorf("send by %q with password %q: %+v", mechanism, password, got)
				}
			}
			for _, how := range []string{"none", "tls"} {
				if mechanism == "Login" { // our POP3 server has USER and PASS for it
					continue
				}
				if !want && (mechanism != "" || how != "none") { // each is answered a second late
					continue
				}
				got = answer{}
				w.post("/fetch", map[string]any{"user": "ana", "auth": mechanism, "password": password, "tls": how, "keep": true}, http.StatusOK, &got)
				if got.OK != want || !got.said(">", line) || len(got.Messages) != map[bool]int{true: 1}[want] {
					t.Errorf("fetch by %q with password %q, TLS %s: %+v", mechanism, password, how, got)
				}
			}
		}
	}
	if len(bag.mail) != len(lines)-1 {
		t.Errorf("%d mails", len(bag.mail))
	}
}
