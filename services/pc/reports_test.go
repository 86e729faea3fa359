package pc_test

import (
	"net/http"
	"strings"
	"testing"

	"correio/services/internal/smtpd"
	"correio/services/pc"
)

func TestSendAsksForReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.submission(w.stack.Certificate("mx1.aurora.test"), func(cfg *smtpd.Config) { cfg.DSN = true })
	req := pc.SendRequest{
		From: "ana@aurora.test", To: []string{"bruno+x@boreal.test"}, EML: []byte("Subject: Oi\r\n\r\nOi\r\n"),
		Notify: "success,Failure", Ret: "hdrs", EnvID: "aula 1",
	}
	var got answer
	w.post("/send", req, http.StatusOK, &got)
	for _, want := range []string{
		"MAIL FROM:<ana@aurora.test> SIZE=19 RET=HDRS ENVID=aula+201",
		"RCPT TO:<bruno+x@boreal.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bruno+2Bx@boreal.test",
	} {
		if !got.OK || !got.said(">", want) {
			t.Errorf("never said %s: %+v", want, got)
		}
	}
	// Who asks for nothing says nothing.
	req.Notify, req.Ret, req.EnvID = "", "", ""
	w.post("/send", req, http.StatusOK, &got)
	if !got.OK || !got.said(">", "RCPT TO:<bruno+x@boreal.test>") {
		t.Errorf("answer %+v", got)
	}
}

// A server without DSN must not be told (RFC 3461 §3), and the sender must not
// believe that it was.
func TestSendAsksNobodyWhoCannotReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bag := w.submission(w.stack.Certificate("mx1.aurora.test"))
	var got answer
	w.post("/send", pc.SendRequest{From: "ana@aurora.test", To: []string{"bruno@boreal.test"}, Notify: "never"}, http.StatusOK, &got)
	if got.OK || got.Code != 23 || !strings.Contains(got.Reply, "does not offer DSN") || len(bag.mail) != 0 || !got.said(">", "QUIT") {
		t.Errorf("answer %+v, %d mails", got, len(bag.mail))
	}
}

func TestWishesThatThereAreNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, req := range map[string]pc.SendRequest{
		`notify cannot be "always"`: {Notify: "always"}, `ret cannot be "none"`: {Ret: "none"}, `envid cannot be "ç"`: {EnvID: "ç"},
	} {
		req.From, req.To = "ana@aurora.test", []string{"bruno@boreal.test"}
		var got struct{ Error string }
		w.post("/send", req, http.StatusBadRequest, &got)
		if got.Error != want {
			t.Errorf("got %q, want %q", got.Error, want)
		}
	}
}
