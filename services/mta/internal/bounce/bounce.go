// Package bounce writes what an MTA tells a sender about a message that was
// not, or not yet, delivered: a multipart/report (RFC 6522) of three parts,
// which are a text for people in both of the lab's languages, the delivery
// status for programs (RFC 3464), and the message or its header.
//
// Whatever a peer or a user said is cleaned before it becomes part of a header
// field. Nothing here is sent: a report is written to an io.Writer, and its
// envelope has the null reverse-path (RFC 5321 §4.5.5).
package bounce

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
)

// Action is what a report tells about (RFC 3464 §2.3.3).
type Action string

// The actions.
const (
	Failed  Action = "failed"
	Delayed Action = "delayed"
)

// MaxReturned bounds the message that is returned whole; of a longer one only
// the header comes back, and of that no more than this. In octets.
const MaxReturned = 64 << 10

// Report is what there is to tell.
type Report struct {
	Action    Action
	MTA       string           // who reports: our host name
	From      mailaddr.Address // the postmaster who answers for it
	To        mailaddr.Address // the sender of the message
	MessageID string           // of the report, without angle brackets
	Date      time.Time
	Boundary  string // random letters and digits

	Queue       string    // the message's queue id
	Arrived     time.Time // when we accepted it
	EnvID       string    // RFC 3461, as xtext; "" for none
	OriginalID  string    // its Message-ID without angle brackets; "" for none
	Recipients  []Recipient
	Size        int64     // of Message, in octets
	HeadersOnly bool      // RET=HDRS
	EightBit    bool      // Message has octets above 127
	Message     io.Reader // read up to MaxReturned
}

// Recipient is one address that the report is about.
type Recipient struct {
	To     mailaddr.Address
	ORcpt  string      // RFC 3461, as it came; "" for none
	Reply  reply.Reply // the last word about it, or our own verdict
	Host   string      // who said so; "" for us
	Status string      // "" means the reply's enhanced code
	At     time.Time   // of the last attempt
	Until  time.Time   // until when a delayed one is tried
}

// Write writes the report, with CRLF line ends.
func Write(w io.Writer, r Report) error {
	b := bufio.NewWriter(w)
	r.header(b)
	r.human(b)
	r.status(b)
	if err := r.returned(b); err != nil {
		return fmt.Errorf("write the returned message: %w", err)
	}
	fmt.Fprintf(b, "\r\n--%s--\r\n", r.Boundary)
	return b.Flush()
}

func (r *Report) header(w io.Writer) {
	name := mime.QEncoding.Encode("utf-8", "Correio "+r.MTA)
	fmt.Fprintf(w, "From: %s <%s>\r\n", name, r.From)
	fmt.Fprintf(w, "To: <%s>\r\n", r.To)
	fmt.Fprintf(w, "Subject: %s\r\n", mime.QEncoding.Encode("utf-8", r.subject()))
	fmt.Fprintf(w, "Date: %s\r\n", r.Date.Format(time.RFC1123Z))
	fmt.Fprintf(w, "Message-ID: <%s>\r\n", r.MessageID)
	if id := clean(r.OriginalID); id != "" {
		fmt.Fprintf(w, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", id, id)
	}
	fmt.Fprint(w, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n") // RFC 3834 §5
	fmt.Fprintf(w, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n", r.Boundary)
	if r.EightBit {
		fmt.Fprint(w, "Content-Transfer-Encoding: 8bit\r\n")
	}
	fmt.Fprint(w, "\r\nThis is a delivery report in MIME format.\r\n")
}

func (r *Report) subject() string {
	if r.Action == Delayed {
		return delayedSubject
	}
	return failedSubject
}

// human writes the first part: what people read.
func (r *Report) human(w io.Writer) {
	fmt.Fprintf(w, "\r\n--%s\r\n", r.Boundary)
	fmt.Fprint(w, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	qp := quotedprintable.NewWriter(w)
	fmt.Fprint(qp, strings.ReplaceAll(r.text(), "\n", "\r\n"))
	qp.Close() // w keeps its first error; Write returns it
}

// status writes the second part: what programs read (RFC 3464 §2).
func (r *Report) status(w io.Writer) {
	fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: message/delivery-status\r\n\r\n", r.Boundary)
	if id := clean(decodeXtext(r.EnvID)); id != "" {
		fmt.Fprintf(w, "Original-Envelope-Id: %s\r\n", id)
	}
	fmt.Fprintf(w, "Reporting-MTA: dns; %s\r\n", r.MTA)
	fmt.Fprintf(w, "X-Correio-Queue-ID: %s\r\n", r.Queue)
	fmt.Fprintf(w, "Arrival-Date: %s\r\n", r.Arrived.Format(time.RFC1123Z))
	for _, to := range r.Recipients {
		fmt.Fprint(w, "\r\n")
		if kind, address, ok := strings.Cut(to.ORcpt, ";"); ok {
			fmt.Fprintf(w, "Original-Recipient: %s; %s\r\n", clean(kind), clean(decodeXtext(address)))
		}
		fmt.Fprintf(w, "Final-Recipient: %s\r\n", typed(to.To))
		fmt.Fprintf(w, "Action: %s\r\n", r.Action)
		fmt.Fprintf(w, "Status: %s\r\n", to.code())
		if to.Host != "" {
			fmt.Fprintf(w, "Remote-MTA: dns; %s\r\n", clean(to.Host))
		}
		if to.Reply.Code != 0 {
			fmt.Fprintf(w, "Diagnostic-Code: smtp; %s\r\n", fold(clean(to.Reply.String())))
		}
		fmt.Fprintf(w, "Last-Attempt-Date: %s\r\n", to.At.Format(time.RFC1123Z))
		if r.Action == Delayed {
			fmt.Fprintf(w, "Will-Retry-Until: %s\r\n", to.Until.Format(time.RFC1123Z))
		}
	}
}

// code is the Status of a recipient: the enhanced code of the last reply, or
// what its class allows to say (RFC 3463 §3.1).
func (to Recipient) code() string {
	switch e := to.Reply.Enhanced.String(); {
	case to.Status != "":
		return to.Status
	case e != "":
		return e
	case to.Reply.Temporary():
		return "4.0.0"
	}
	return "5.0.0"
}

// returned writes the third part: the message, or its header alone.
func (r *Report) returned(w io.Writer) error {
	kind, whole := "message/rfc822", r.Size <= MaxReturned && !r.HeadersOnly
	if !whole {
		kind = "text/rfc822-headers" // RFC 6522 §4
	}
	encoding := "7bit"
	if r.EightBit {
		encoding = "8bit"
	}
	fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", r.Boundary, kind, encoding)
	src := io.LimitReader(r.Message, MaxReturned)
	if whole {
		_, err := io.Copy(w, src)
		return err
	}
	return copyHeader(w, src)
}

// copyHeader copies whole lines up to the empty one.
func copyHeader(w io.Writer, src io.Reader) error {
	in := bufio.NewReader(src)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil // cut off: the bound, or a message without a body
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
		if strings.Trim(string(line), "\r\n") == "" {
			return nil
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
}
