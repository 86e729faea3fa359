package pc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"correio/services/internal/control"
	"correio/services/internal/labtest"
	"correio/services/internal/node"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
	"correio/services/pc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const aurora = "../../deploy/aurora"

var (
	mx1    = netip.MustParseAddrPort("198.19.1.25:587")
	mx1LAN = netip.MustParseAddr("198.19.1.25")
)

// world is Aurora's workstation, its control port, and what stands around it.
type world struct {
	t     *testing.T
	stack *labtest.Stack
	env   *node.Env
	http  *httptest.Server
	stop  func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, stack: labtest.NewStack(t)}
	w.env = labtest.Env(t, w.stack, aurora, "pc.aurora.test")
	n, err := pc.New(w.env)
	if err != nil {
		t.Fatal(err)
	}
	w.stop = labtest.Start(t, n)
	mux := http.NewServeMux()
	for _, r := range n.Routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	w.http = httptest.NewServer(mux)
	t.Cleanup(w.http.Close)
	return w
}

// post asks the control port. into gets the answer when the status is as wanted.
func (w *world) post(path string, body any, status int, into any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.http.Client().Post(w.http.URL+path, "application/json", bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		w.t.Fatalf("%s: %s %s, %v; want %d", path, resp.Status, answer, err, status)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
}

// answer is what /send and /fetch give, as the command line reads it.
type answer struct {
	OK        bool
	MessageID string `json:"message_id"`
	QueueID   string `json:"queue_id"`
	Code      int
	Step      string
	Reply     string
	Accepted  []string
	Refused   []struct{ To, Reply string }
	Messages  []struct {
		UID  string
		Size int64
		EML  []byte
	}
	Lines []spoken
}

// spoken is a line of a transcript.
type spoken struct {
	Dir, Text string
	OffsetMS  int64 `json:"offset_ms"`
	TLS       bool
	Note      *reason.Reason
}

func (a answer) said(dir, text string) bool {
	return slices.ContainsFunc(a.Lines, func(l spoken) bool { return l.Dir == dir && l.Text == text })
}

// sized counts the lines that stand in place of a message.
func (a answer) sized(dir string) (n int) {
	for _, l := range a.Lines {
		if l.Dir == dir && l.Note != nil && l.Note.Rule == reason.MessageSize && l.Text == l.Note.String() {
			n++
		}
	}
	return n
}

// mailbag is a submission server that keeps what it gets.
type mailbag struct {
	mu   sync.Mutex // guards mail
	mail []string
}

func (b *mailbag) Open(context.Context, smtpd.Peer) (smtpd.Session, error) {
	return &bagSession{b: b}, nil
}

type bagSession struct{ b *mailbag }

func (s *bagSession) Secret(_ context.Context, user string) (sasl.Secret, error) {
	if user == "ana" || user == "alice" {
		return sasl.Secret{Account: user, Password: user}, nil
	}
	return sasl.Secret{}, sasl.ErrNobody
}

func (s *bagSession) Auth(context.Context, sasl.Identity) error { return nil }

func (s *bagSession) Mail(context.Context, *smtpd.Transaction) (reply.Reply, error) {
	return reply.Reply{}, nil
}

func (s *bagSession) Rcpt(_ context.Context, _ *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	if to.To.Local == "nobody" {
		return reply.Reply{}, reply.New(550, "5.1.1", "No such mailbox").Err(nil)
	}
	return reply.Reply{}, nil
}

func (s *bagSession) Data(_ context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	data, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.mail = append(s.b.mail, string(data))
	t.QueueID = "ABCDEF0123"
	return []reply.Reply{reply.New(250, "2.0.0", "Ok: queued as ABCDEF0123")}, nil
}

func (s *bagSession) Close() {}

// submission starts a submission server at mx1. A nil cert is one that offers
// no STARTTLS.
func (w *world) submission(cert *tls.Certificate, change ...func(*smtpd.Config)) *mailbag {
	w.t.Helper()
	bag := &mailbag{}
	cfg := smtpd.Config{
		Hostname: "mx1.aurora.test", Proto: smtpd.Submission, Backend: bag, AuthMechanisms: []string{"LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"},
		RequireTLSForAuth: true, RequireAuth: true,
	}
	if cert != nil {
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	}
	for _, f := range change {
		f(&cfg)
	}
	srv, err := smtpd.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := w.stack.Listen(w.t.Context(), mx1)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	return bag
}

func TestSendWritesALetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bag := w.submission(w.stack.Certificate("mx1.aurora.test"))
	var got answer
	w.post("/send", pc.SendRequest{
		From: "ana@aurora.test", To: []string{"bruno@boreal.test"}, Subject: "Olá", Body: ".\nàs três\n..",
	}, http.StatusOK, &got)
	if !got.OK || got.Code != 0 || got.Step != "" || got.QueueID != "ABCDEF0123" || !strings.HasSuffix(got.MessageID, "@pc.aurora.test") {
		t.Errorf("answer %+v", got)
	}
	if len(bag.mail) != 1 {
		t.Fatalf("%d mails", len(bag.mail))
	}
	mail := bag.mail[0]
	for _, want := range []string{
		"From: ana@aurora.test\r\nTo: bruno@boreal.test\r\nSubject: =?utf-8?q?Ol=C3=A1?=\r\nDate: ",
		"\r\nMessage-ID: <" + got.MessageID + ">\r\n", "Transfer-Encoding: 8bit\r\n\r\n.\r\nàs três\r\n..\r\n",
	} {
		if !strings.Contains(mail, want) {
			t.Errorf("mail %q lacks %q", mail, want)
		}
	}
	for _, line := range []string{"EHLO pc.aurora.test", "STARTTLS", "AUTH SCRAM-SHA-256 ****", "DATA", ".", "QUIT"} {
		if !got.said(">", line) {
			t.Errorf("transcript lacks %q: %+v", line, got.Lines)
		}
	}
	if n := got.sized(">"); n != 1 {
		t.Errorf("%d sizes of messages in %+v", n, got.Lines)
	}
	if first, last := got.Lines[0], got.Lines[len(got.Lines)-1]; first.TLS || !last.TLS || last.OffsetMS < first.OffsetMS {
		t.Errorf("first line %+v, last %+v", first, last)
	}
}

func TestSendTakesAMessageAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bag := w.submission(w.stack.Certificate("mx1.aurora.test"))
	eml := "X-First: field\r\nMessage-ID: <own@x>\r\nSubject: \xff raw\r\n\r\n.dot\r\n\r\n..\r\n"
	var got answer
	w.post("/send", pc.SendRequest{From: "postmaster@aurora.test", To: []string{"bruno@boreal.test"}, EML: []byte(eml)}, http.StatusOK, &got)
	if !got.OK || got.MessageID != "own@x" || len(bag.mail) != 1 || bag.mail[0] != eml {
		t.Errorf("answer %+v, mail %q", got, bag.mail)
	}
}

func TestSendNamesTheStepThatFailed(t *testing.T) {
	t.Parallel()
	send := func(w *world, change func(*pc.SendRequest)) answer {
		req := pc.SendRequest{From: "ana@aurora.test", To: []string{"bruno@boreal.test"}}
		change(&req)
		var got answer
		w.post("/send", req, http.StatusOK, &got)
		return got
	}
	same := func(*pc.SendRequest) {}
	check := func(name string, got answer, code int, step, word string) {
		t.Helper()
		if got.OK || got.Code != code || got.Step != step || !strings.Contains(got.Reply, word) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	w := newWorld(t)
	check("nobody listens", send(w, same), 2, "connect", "refused")
	bag := w.submission(w.stack.Certificate("mx1.aurora.test"))
	check("wrong password", send(w, func(r *pc.SendRequest) { r.Password = "wrong" }), 28, "auth", "535 5.7.8")
	got := send(w, func(r *pc.SendRequest) { r.To = []string{"nobody@boreal.test"} })
	check("no such recipient", got, 24, "rcpt", "550 5.1.1")
	got = send(w, func(r *pc.SendRequest) { r.To = []string{"nobody@boreal.test", "bruno@boreal.test"} })
	check("one of two", got, 24, "rcpt", "550 5.1.1")
	if got.QueueID != "ABCDEF0123" || !slices.Equal(got.Accepted, []string{"bruno@boreal.test"}) || len(got.Refused) != 1 || got.Refused[0].To != "nobody@boreal.test" || len(bag.mail) != 1 {
		t.Errorf("one of two: %+v", got)
	}
	w = newWorld(t)
	w.submission(w.stack.Certificate("evil.test"))
	check("another's certificate", send(w, same), 29, "tls", "certificate")
	w = newWorld(t)
	w.submission(nil)
	got = send(w, same)
	check("no STARTTLS", got, 29, "tls", "does not offer")
	for _, l := range got.Lines {
		if strings.HasPrefix(l.Text, "AUTH") {
			t.Errorf("password in clear: %+v", l)
		}
	}
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, bodies := range map[string][]any{
		"/send": {
			"text", map[string]any{"unknown": 1}, pc.SendRequest{}, pc.SendRequest{From: "ana@aurora.test"},
			pc.SendRequest{From: "ana", To: []string{"x@y"}}, pc.SendRequest{From: "ana@aurora.test", To: []string{"x"}},
			pc.SendRequest{From: "nobody@aurora.test", To: []string{"x@y.test"}},
			pc.SendRequest{From: "bruno@boreal.test", To: []string{"x@y.test"}},
			pc.SendRequest{From: "ana@aurora.test", To: []string{"x@y.test"}, User: "ana\r\nx", Password: "x"},
			pc.SendRequest{From: "ana@aurora.test", To: []string{"x@y.test"}, Auth: "user"},
		},
		"/fetch": {
			pc.FetchRequest{}, pc.FetchRequest{User: "nobody"}, pc.FetchRequest{User: "ana@boreal.test"},
			pc.FetchRequest{User: "ana", TLS: "ssl"}, pc.FetchRequest{User: "ana", Auth: "apop"}, pc.FetchRequest{User: "ana\r\nDELE 1", Password: "x"},
		},
	} {
		for _, body := range bodies {
			var p control.Problem
			w.post(path, body, http.StatusBadRequest, &p)
			if p.Error == "" {
				t.Errorf("%s %+v: no reason", path, body)
			}
		}
	}
}

func TestPeopleAreNamedWithoutTheirPasswords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	resp, err := w.http.Client().Get(w.http.URL + "/people")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := `{"people":["ana","alice"]}`; err != nil || strings.TrimSpace(string(body)) != want {
		t.Errorf("got %s, %v, want %s", body, err, want)
	}
}

func TestReadyOnlyWhileItRuns(t *testing.T) {
	t.Parallel()
	stack := labtest.NewStack(t)
	n, err := pc.New(labtest.Env(t, stack, aurora, "pc.aurora.test"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(); !errors.Is(err, node.ErrStarting) {
		t.Errorf("before Run: %v", err)
	}
	stop := labtest.Start(t, n)
	stop()
	if n.Ready() == nil {
		t.Error("ready after the stop")
	}
}
