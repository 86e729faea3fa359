package smtpd

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
)

// Protocol is the dialect a server speaks.
type Protocol string

// The dialects. Each is also the "proto" of the connection's events.
const (
	SMTP        Protocol = "smtp"        // RFC 5321, between MTAs
	Submission  Protocol = "submission"  // RFC 6409, STARTTLS then AUTH
	Submissions Protocol = "submissions" // the same with TLS from the first octet (RFC 8314)
	LMTP        Protocol = "lmtp"        // RFC 2033
)

// Backend is the policy behind an engine: what may be sent, by whom, to whom,
// and where it goes. The engine keeps grammar, order and limits.
type Backend interface {
	// Open is called once for every connection, before the greeting. A refusal
	// (an error that carries a reply, see package reply) is said in place of
	// the greeting.
	Open(ctx context.Context, p Peer) (Session, error)
}

// Peer is the client of a connection.
type Peer struct {
	Conn   string // the connection's name in events
	Proto  Protocol
	Local  netip.AddrPort
	Remote netip.AddrPort
}

// Session is the policy's side of one connection. The engine calls its methods
// one at a time, in an order that RFC 5321 §4.1.4 allows. Errors become
// replies by reply.Of.
type Session interface {
	// AUTH checks proofs against these; the engine runs the exchange.
	sasl.Credentials
	// Auth is told how an exchange ended: who has proved who they are, or, with
	// no Account, that the proof was wrong (which nil leaves to the engine to
	// answer). It remembers who it is.
	Auth(ctx context.Context, who sasl.Identity) error
	// Mail starts a transaction, Rcpt adds a recipient to it. A zero reply
	// means the engine's usual 250.
	Mail(ctx context.Context, t *Transaction) (reply.Reply, error)
	Rcpt(ctx context.Context, t *Transaction, to Recipient) (reply.Reply, error)
	// Data takes the message: CRLF line ends, dots unstuffed, without the final
	// "."; with BODY=BINARYMIME any octets. It must read to the end or fail; the
	// engine drains what is left. It returns one reply (SMTP) or one for each
	// accepted recipient in their order (LMTP), and only after the message is
	// safe; no replies and no error mean the engine's usual 250, an error is said
	// to every recipient. When reading fails nothing may be kept, and what Data
	// returns is not said.
	Data(ctx context.Context, t *Transaction, message io.Reader) ([]reply.Reply, error)
	// Close is called once, when the connection is gone.
	Close()
}

// Teller is a Session that may tell who is behind a name (RFC 5321 §3.5), as VRFY
// and EXPN have it. utf8 says that the client can be told addresses that are not
// ASCII. A zero reply means that nothing is told, and the engine's usual 252 and
// 502.
type Teller interface {
	Verify(ctx context.Context, name string, utf8 bool) (reply.Reply, error)
	Expand(ctx context.Context, name string, utf8 bool) (reply.Reply, error)
}

// Transaction is one mail transaction: what EHLO, MAIL and RCPT said. It begins
// with Session.Mail and is given up without notice when the next one begins.
type Transaction struct {
	Hello  string               // the client's name as EHLO, HELO or LHLO gave it
	ESMTP  bool                 // EHLO (or LHLO) rather than HELO
	TLS    *tls.ConnectionState // nil in plain text
	User   string               // who authenticated; "" if nobody
	From   mailaddr.Address     // zero for the null reverse-path
	Params MailParams
	Rcpts  []Recipient // accepted so far
	// QueueID is set by the session when it accepts the message; the engine
	// puts it into the events of the transaction's last lines.
	QueueID string
}

// MailParams are the parameters of MAIL FROM that the engine understands.
type MailParams struct {
	Size     int64  // announced octets (RFC 1870), 0 when not said
	Body     string // "", "7BIT", "8BITMIME" (RFC 6152) or "BINARYMIME" (RFC 3030)
	SMTPUTF8 bool   // RFC 6531
	Auth     string // RFC 4954 §5, decoded
	Ret      string // "", "FULL" or "HDRS" (RFC 3461)
	EnvID    string // RFC 3461, as it came (xtext)
}

// Recipient is one accepted RCPT TO.
type Recipient struct {
	To     mailaddr.Address
	Notify string // RFC 3461: "", "NEVER" or a list of SUCCESS, FAILURE, DELAY
	ORcpt  string // RFC 3461, as it came
}
