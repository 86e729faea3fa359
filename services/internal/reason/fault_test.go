package reason_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"correio/services/internal/reason"
)

func TestErrorsAreSaidAsData(t *testing.T) {
	gone := reason.NewFault(reason.ClientGone)
	for _, tt := range []struct {
		err       error
		want, tls string
	}{
		{gone, "client-gone", "client-gone"},
		{errors.Join(gone, io.EOF), "client-gone", "client-gone"},
		{fmt.Errorf("rcpt: %w", reason.NewFault(reason.Injected, "STLS")), "injected(STLS)", "injected(STLS)"},
		{fmt.Errorf("%w: %q", reason.NewFault(reason.NotSMTP), "x (y)"), "reply-not-smtp; cause(\"x %28y%29\")", "reply-not-smtp; cause(\"x %28y%29\")"},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), "silent", "tls-silent"},
		{syscall.ECONNREFUSED, "refused", "tls-failed(connection refused)"},
		{io.EOF, "broken", "tls-broken"},
		{context.Canceled, "cut-short", "tls-failed(context canceled)"},
		{errors.New("x509: no"), "cause(x509: no)", "tls-failed(x509: no)"},
	} {
		if got := reason.Encode(reason.Of(tt.err)...); got != tt.want {
			t.Errorf("Of(%v) = %s, want %s", tt.err, got, tt.want)
		}
		if got := reason.Encode(reason.OfTLS(tt.err)...); got != tt.tls {
			t.Errorf("OfTLS(%v) = %s, want %s", tt.err, got, tt.tls)
		}
	}
	if why := reason.Of(nil); why != nil {
		t.Errorf("Of(nil) = %v", why)
	}
	if !errors.Is(fmt.Errorf("retr: %w", gone), gone) || gone.Error() != "closed by the client" {
		t.Errorf("the error %v", gone)
	}
}

func TestSilenceIsSaidAsRecordsTellIt(t *testing.T) {
	for said, want := range map[string]string{
		"timeout": "silent", "refused": "refused", "unreachable": "unreachable", "broken": "broken", // network.Trouble
		"stray": "stray", "cut-short": "cut-short", "cause(short read)": "unanswered(short read)",
		"": "unanswered()", "read udp: short; very": "unanswered(read udp: short%3B very)", "of-tomorrow(x)": "unanswered(of-tomorrow%28x%29)",
	} {
		if got := reason.Encode(reason.OfSilence(said)); got != want {
			t.Errorf("%q is %s, want %s", said, got, want)
		}
	}
}

func TestDialogueEndsAtAStep(t *testing.T) {
	for want, got := range map[string][]reason.Reason{
		"in-step(rcpt); replied(550 5.1.1 Who?)": reason.AtStep("rcpt", "550 5.1.1 Who?", nil),
		"in-step(banner); broken":                reason.AtStep("banner", "", io.EOF),
	} {
		if said := reason.Encode(got...); said != want {
			t.Errorf("got %s, want %s", said, want)
		}
	}
}
