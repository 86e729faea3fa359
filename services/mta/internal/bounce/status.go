package bounce

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"correio/services/internal/dsn"
)

// statusType is the subtype of the second part.
func statusType(global bool) string {
	if global {
		return "global-delivery-status" // RFC 6533 §4
	}
	return "delivery-status"
}

// status writes the second part: what programs read (RFC 3464 §2). from is the
// host that brought the message, "" when that is not known.
func (r *Report) status(w io.Writer, from string, global bool) {
	fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: message/%s\r\n", r.Boundary, statusType(global))
	if global {
		fmt.Fprint(w, "Content-Transfer-Encoding: 8bit\r\n")
	}
	fmt.Fprint(w, "\r\n")
	if id := clean(dsn.EnvID(r.EnvID)); id != "" {
		fmt.Fprintf(w, "Original-Envelope-Id: %s\r\n", id)
	}
	fmt.Fprintf(w, "Reporting-MTA: dns; %s\r\n", r.MTA)
	if from != "" {
		fmt.Fprintf(w, "Received-From-MTA: dns; %s\r\n", from)
	}
	fmt.Fprintf(w, "Arrival-Date: %s\r\n", r.Arrived.Format(time.RFC1123Z))
	fmt.Fprintf(w, "X-Correio-Queue-ID: %s\r\n", r.Queue)
	for _, to := range r.Recipients {
		to.write(w, r.Action, global)
	}
}

// write writes the fields about one recipient (RFC 3464 §2.3).
func (to Recipient) write(w io.Writer, action Action, global bool) {
	fmt.Fprint(w, "\r\n")
	if original, ok := dsn.Field(to.ORcpt, global); ok && len(original) <= maxAddress {
		fmt.Fprintf(w, "Original-Recipient: %s\r\n", original)
	}
	fmt.Fprintf(w, "Final-Recipient: %s\r\n", dsn.Address(to.To, global))
	fmt.Fprintf(w, "Action: %s\r\n", action)
	fmt.Fprintf(w, "Status: %s\r\n", to.code(action))
	if to.Host != "" {
		fmt.Fprintf(w, "Remote-MTA: dns; %s\r\n", clean(to.Host))
	}
	if to.Reply.Code != 0 {
		fmt.Fprintf(w, "Diagnostic-Code: %s\r\n", fold(to.diagnostic(global)))
	}
	fmt.Fprintf(w, "Last-Attempt-Date: %s\r\n", to.At.Format(time.RFC1123Z))
	if action == Delayed {
		fmt.Fprintf(w, "Will-Retry-Until: %s\r\n", to.Until.Format(time.RFC1123Z))
	}
}

// maxAddress bounds an Original-Recipient, in octets: a line has 998.
const maxAddress = 900

// diagnostic is what a host replied; or, where no host did, our own verdict. RFC
// 3464 §2.3.6: the type smtp is for what an SMTP server has said.
func (to Recipient) diagnostic(global bool) string {
	said := clean
	if global {
		said = cleanUTF8
	}
	if to.Host == "" {
		return "X-Correio; " + said(to.Reply.String())
	}
	return "smtp; " + said(to.Reply.String())
}

// code is the Status of a recipient: the enhanced code of the last reply, or
// what its class allows to say (RFC 3463 §3.1). It goes with the action: 2 for
// success, 4 for a delay, and for a failure 4 only when time ran out.
func (to Recipient) code(action Action) string {
	class := "2"
	switch action {
	case Failed:
		class = "5"
	case Delayed:
		class = "4"
	case Delivered, Relayed, Expanded:
	}
	switch e := to.Reply.Enhanced.String(); {
	case to.Status != "":
		return to.Status
	case strings.HasPrefix(e, class+"."):
		return e
	}
	return class + ".0.0"
}

// maxClean bounds what a peer's words may take up in a report, in octets.
const maxClean = 600

// clean makes text safe for one line of a header: printable ASCII alone.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, cut(s))
}

// cleanUTF8 makes text safe for one line of text in UTF-8.
func cleanUTF8(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, cut(s))
}

// cut shortens what is too long, not inside a character.
func cut(s string) string {
	if len(s) <= maxClean {
		return s
	}
	end := maxClean
	for end > maxClean-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}

// fold breaks a long field value at spaces, so that no line is longer than RFC
// 5322 §2.1.1 recommends if it can be helped. No line is of spaces alone.
func fold(s string) string {
	const width = 72
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(s, " ") {
		switch {
		case i == 0:
		case column+1+len(word) > width && word != "":
			b.WriteString("\r\n ")
			column = 1
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return strings.TrimRight(b.String(), " ")
}
