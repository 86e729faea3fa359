// Package smtpc is the client side of SMTP (RFC 5321), submission (RFC 6409)
// and LMTP (RFC 2033): what an MTA speaks to the next host and to its MDA, and
// what a workstation speaks to its MTA.
//
// # Flow
//
// The caller dials; Open takes the connection, reads the greeting and says
// EHLO (LHLO in LMTP, HELO where EHLO is unknown). StartTLS and Auth follow as
// the caller's policy wants them. Send then runs one mail transaction and says
// for each recipient what the server answered; Ask runs the beginning of one
// and takes it back. A Client is used by one goroutine at a time and may carry
// any number of transactions, as long as Usable says so.
//
// # Guarantees
//
// Every failure says at which step it came and carries the server's whole
// reply where there was one. Every reply is bounded in octets and lines, every
// wait has a deadline, and the end of the caller's context cuts the
// connection. No octet of an address or parameter can break out of its
// command. What is sent as message ends its lines in CRLF alone, so that
// nothing can be smuggled through us. A message whose source fails in the
// middle is cut off with its connection, never ended by a dot. Octets that a
// server sent in clear behind its reply to STARTTLS are an error (they could
// have been injected: behaviour.md §6, row 5).
//
// Lines go to the event log and to the Trace of Options with secrets masked.
//
// # By DATA or by BDAT
//
// A message goes by DATA unless the caller prefers chunks or it is Binary (RFC
// 3030). Lines of text are the same either way; what is Binary goes out octet
// by octet. The last chunk leaves only when every chunk before it was taken,
// also with PIPELINING, which costs one round trip: that no server can be made
// to accept a message with a hole in it is worth more.
//
// # What a server cannot take
//
// A message that is larger than the SIZE announced (RFC 1870 §6.1), that is
// Binary or has octets above 127 or addresses beyond ASCII, is not sent to a
// server that did not offer what it needs: RFC 3030 §3, RFC 6152 §3 and RFC
// 6531 §3.2 forbid it, and leave the choice of converting the message or
// giving it back. Postfix and Sendmail convert 8-bit mail to quoted-printable;
// Exim, qmail and chasquid send it as it is and hope. We give it back (552
// 5.3.4, 554 5.6.1, 554 5.6.3, 550 5.6.7): a conversion breaks DKIM signatures
// and shows nobody what the extension is for, and hoping is what the RFC
// forbids "under any circumstances". Such a verdict is marked Own, because
// the server has said nothing of the kind and another MX host may do better.
//
// # Why not go-smtp's client
//
// It was the plan. Closing its gaps (behaviour.md §5) took a recording
// connection that bounds replies, makes up a greeting, spells the EHLO
// keywords anew, takes BODY=8BITMIME out of MAIL again, sets the deadlines
// that DATA lacks, and parses every reply a second time, because successful
// replies to MAIL and RCPT are not returned and two equal LMTP recipients share
// one result. What was left of it was the spelling of MAIL and RCPT. The
// dialogue is what this lab is about, so it is spelled here; go-smtp's server
// is the independent peer of the tests.
package smtpc
