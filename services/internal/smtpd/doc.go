// Package smtpd is the server side of SMTP (RFC 5321), message submission (RFC
// 6409, RFC 8314) and LMTP (RFC 2033): one engine, behind which a Backend
// decides what is accepted.
//
// A session goes round one loop: a bounded line is read (wire.go), parsed into
// a typed command (package command), checked against the table of what may
// come when (table.go), acted upon (hello.go, transaction.go, data.go, bdat.go,
// auth.go, starttls.go), and answered by one reply.Reply, which one writer puts
// on the wire. Replies to commands that arrived together leave together.
//
// What a Backend may rely on:
//
//   - its methods are called one at a time, in an order that RFC 5321 §4.1.4
//     allows: Rcpt only inside a transaction, Data only with a recipient;
//   - a Transaction is over when Data has returned, or when the next Mail
//     begins; RSET, EHLO and STARTTLS are not told apart from that;
//   - whatever reaches it has passed its grammar: addresses, names and
//     parameters hold no control characters;
//   - the message it reads ended where the client meant it to end: a reader
//     that fails means that nothing may be kept, and what was meant as message
//     text is never read as a command (the connection closes instead).
//
// What a peer may not do: hold more memory than a line's worth while idle, send
// a line, a header, a message, a list of recipients or a row of errors without
// end, be slower than the floor of Limits, come again and again for nothing
// (guard.go counts by address), or run anything in a session's TLS half that it
// sent in the plain half.
package smtpd
