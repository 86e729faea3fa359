package smtpc

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"correio/services/internal/event"
)

func TestOpenFailures(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"554 in place of the greeting", "S: 554 5.3.2 No service", "banner: 554 5.3.2 No service"},
		{"421 in place of the greeting", "S: 421 4.3.2 Busy", "banner: 421 4.3.2 Busy"},
		{"closed at once", "", "banner: EOF"},
		{"both hellos refused", hello + "S: 550 5.7.1 Go away\nC: HELO mx1.aurora.test\nS: 550 5.7.1 Go away", "hello: 550 5.7.1 Go away"},
		{"temporary refusal is not answered by HELO", hello + "S: 451 4.3.0 Later", "hello: 451 4.3.0 Later"},
		{"a reply whose lines differ in code", hello + "S: 250-a\nS: 251 b", "hello: reply is not SMTP: 251 within a reply 250"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, finish := converse(t, test.script)
			_, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test"})
			var e *Error
			if !errors.As(err, &e) || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			finish()
		})
	}
}

func TestReplyOfEndlessLines(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		for {
			if _, err := io.WriteString(server, "220-more\r\n"); err != nil {
				return
			}
		}
	}()
	_, err := Open(t.Context(), client, Options{Hello: "a.test"})
	if !errors.Is(err, ErrReplyTooLong) {
		t.Errorf("got %v", err)
	}
}

func TestEndOfContextCutsTheDialogue(t *testing.T) {
	conn, _ := converse(t, "S: 220 mx1.boreal.test\nHANG")
	ctx, cancel := context.WithCancel(t.Context())
	saidHello := func(l Line) {
		if l.Dir == event.Out {
			cancel()
		}
	}
	if _, err := Open(ctx, conn, Options{Hello: "mx1.aurora.test", Trace: saidHello}); err == nil {
		t.Error("Open succeeded without a reply to EHLO")
	}
}

func TestSilenceMeetsItsDeadline(t *testing.T) {
	conn, finish := converse(t, hello+"HANG")
	_, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test", Timeouts: Timeouts{Command: 20 * time.Millisecond}})
	var e *Error
	var timeout net.Error
	if !errors.As(err, &e) || e.Step != StepHello || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout at hello", err)
	}
	finish()
}
