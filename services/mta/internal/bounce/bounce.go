// Package bounce writes what an MTA tells a sender about a message: that it
// failed, is late, was delivered, or went to a host that will not report. It is
// a multipart/report (RFC 6522) of three parts, which are a text for people in
// both of the lab's languages, the delivery status for programs (RFC 3464), and
// the message or its header.
//
//	bounce.go    what there is to tell, and the report as a whole
//	text.go      the first part
//	status.go    the second part
//	returned.go  the third part
//	sevenbit.go  the whole for a host without 8BITMIME
//
// Whatever a peer or a user said is cleaned before it becomes part of a header
// field. Nothing here is sent: a report is written to an io.Writer, and its
// envelope has the null reverse-path (RFC 5321 §4.5.5). It needs SMTPUTF8 only
// when the address that it goes to does: recipients that are not ASCII stand in
// a part of type message/global-delivery-status (RFC 6533), which 8BITMIME
// carries. To a host that does not offer that, a report goes in 7 bits, so that
// every sender hears; of an 8-bit message, the header alone comes back then.
package bounce

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"correio/services/internal/dsn"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/mta/internal/encodedword"
)

// Action is what a report tells about (RFC 3464 §2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"  // to a host that does not offer DSN
	Expanded  Action = "expanded" // to those behind an alias of several
)

var actions = map[Action]reason.Rule{
	Failed: reason.TellsFailed, Delayed: reason.TellsDelayed, Delivered: reason.TellsDelivered,
	Relayed: reason.TellsRelayed, Expanded: reason.TellsExpanded,
}

// Reason says of a report what it tells.
func (a Action) Reason() reason.Reason { return reason.New(actions[a]) }

// Reader is who a report is for.
type Reader int

// The readers.
const (
	Sender     Reader = iota // who sent the message
	Postmaster               // of the site, for information: the sender was told as well, or did not want to be
	LastResort               // the postmaster, because the message has a null reverse-path (a double bounce)
)

// MaxReturned bounds the message that is returned whole; of a longer one only
// the header comes back, and of that no more than this. In octets.
const MaxReturned = 64 << 10

// Report is what there is to tell.
type Report struct {
	Action    Action
	Reader    Reader
	MTA       string           // who reports: our host name
	From      mailaddr.Address // the postmaster who answers for it
	To        mailaddr.Address // whom it goes to
	MessageID string           // of the report, without angle brackets
	Date      time.Time
	Boundary  string // random letters and digits

	Queue       string           // the message's queue id
	Sender      mailaddr.Address // the message's reverse-path
	Arrived     time.Time        // when we accepted it
	EnvID       string           // RFC 3461, as xtext; "" for none
	OriginalID  string           // its Message-ID without angle brackets; "" for none
	Recipients  []Recipient
	List        bool      // it was delivered to a mailing list, not into mailboxes
	HeadersOnly bool      // RET=HDRS
	Message     io.Reader // read up to MaxReturned and one more
}

// Expired is the status of a recipient for whom no attempt succeeded in time
// (RFC 3463 §3.5).
const Expired = "4.4.7"

// Recipient is one address that the report is about.
type Recipient struct {
	To     mailaddr.Address
	ORcpt  string      // RFC 3461, as it came; "" for none
	Reply  reply.Reply // the last word about it, or our own verdict
	Host   string      // who said so; "" for us
	Status string      // "" means the reply's enhanced code; Expired, that time was over
	At     time.Time   // of the last attempt
	Until  time.Time   // until when a delayed one is tried
}

// Write writes the report, with CRLF line ends. eightBit says that it has octets
// above 127, and needs BODY=8BITMIME.
func Write(w io.Writer, r Report) (eightBit bool, err error) {
	third, err := r.read()
	if err != nil {
		return false, fmt.Errorf("read the message to return: %w", err)
	}
	global := r.global()
	eightBit = global || third.eightBit
	b := bufio.NewWriter(w)
	r.header(b, global, eightBit)
	r.human(b)
	r.status(b, third.from, global)
	third.write(b, r.Boundary)
	fmt.Fprintf(b, "\r\n--%s--\r\n", r.Boundary)
	return eightBit, b.Flush() // keeps the first error
}

// global reports whether an address is not ASCII, so that the report must be
// one of RFC 6533.
func (r *Report) global() bool {
	for _, to := range r.Recipients {
		if !to.To.ASCII() || dsn.International(to.ORcpt) {
			return true
		}
	}
	return false
}

func (r *Report) header(w io.Writer, global, eightBit bool) {
	fmt.Fprintf(w, "From: \"Correio %s\" <%s>\r\n", r.MTA, r.From) // in quotes for its dots, RFC 5322 §3.2.5
	fmt.Fprintf(w, "To: <%s>\r\n", r.To)
	fmt.Fprintf(w, "%s\r\n", encodedword.Text("Subject", r.subject()))
	fmt.Fprintf(w, "Date: %s\r\n", r.Date.Format(time.RFC1123Z))
	fmt.Fprintf(w, "Message-ID: <%s>\r\n", r.MessageID)
	if id := msgID(r.OriginalID); id != "" {
		fmt.Fprintf(w, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", id, id)
	}
	fmt.Fprint(w, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n") // RFC 3834 §5
	// RFC 6522 §3: report-type is the subtype of the second part.
	fmt.Fprintf(w, "Content-Type: multipart/report; report-type=%s;\r\n\tboundary=\"%s\"\r\n", statusType(global), r.Boundary)
	if eightBit {
		fmt.Fprint(w, "Content-Transfer-Encoding: 8bit\r\n")
	}
	fmt.Fprint(w, "\r\nThis is a delivery report in MIME format.\r\n")
}

// msgID keeps a Message-ID that may stand between angle brackets, which it must
// not have itself (behaviour.md §6 row 17).
func msgID(id string) string {
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '<' || c == '>' {
			return ""
		}
	}
	if len(id) > maxClean {
		return ""
	}
	return id
}
