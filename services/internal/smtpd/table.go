package smtpd

import (
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
)

// state is how far a session has come.
type state uint8

const (
	start     state = iota // greeted by us, not yet by the client
	ready                  // HELO, EHLO or LHLO was accepted
	opened                 // MAIL was accepted, no RCPT came yet
	refused                // RCPT came, but none was accepted
	addressed              // at least one recipient was accepted
	chunking               // part of the message has come by BDAT
	unwelcome              // the greeting was a refusal (RFC 5321 §3.1)
	numStates
)

func (st state) String() string {
	return [numStates]string{"start", "ready", "opened", "refused", "addressed", "chunking", "unwelcome"}[st]
}

// verdict says whether a command may come in a state, or else what it is told.
type verdict uint8

const (
	allowed verdict = iota
	needHello
	needLhlo
	needMail
	needRcpt
	noneValid
	nested
	inMail
	inChunks
	needBdat
	notHere
	unknown
	absent
	numVerdicts
)

// verdictReplies is what the client hears in place of the command's own reply.
var verdictReplies = [numVerdicts]reply.Reply{
	needHello: reply.New(503, "5.5.1", "Introduce yourself first: EHLO (or HELO) and your host's name"),
	needLhlo:  reply.New(503, "5.5.1", "Introduce yourself first: LHLO and your host's name"),
	needMail:  reply.New(503, "5.5.1", "No transaction is open: MAIL FROM comes first"),
	needRcpt:  reply.New(503, "5.5.1", "No recipient yet: RCPT TO comes before DATA"),
	noneValid: reply.New(554, "5.5.1", "No valid recipients"),
	nested:    reply.New(503, "5.5.1", "A transaction is open already: RSET ends it"),
	inMail:    reply.New(503, "5.5.1", "Not inside a mail transaction: RSET ends it"),
	inChunks:  reply.New(503, "5.5.1", "The message is coming by BDAT: BDAT goes on with it, RSET gives it up"),
	needBdat:  reply.New(503, "5.5.1", "DATA cannot carry BODY=BINARYMIME: send it by BDAT"),
	notHere:   reply.New(503, "5.5.1", "This connection was refused; only QUIT is left"),
	unknown:   reply.New(500, "5.5.1", "Unknown command; type HELP for a list of commands"),
	absent:    reply.New(502, "5.5.1", "Command not implemented"),
}

// table is RFC 5321 §4.1.4: which command may come when.
type table [command.NumVerbs][numStates]verdict

func row(start, ready, opened, refused, addressed, chunking verdict) [numStates]verdict {
	return [numStates]verdict{start, ready, opened, refused, addressed, chunking, notHere}
}

func always(v verdict) [numStates]verdict { return row(v, v, v, v, v, v) }

// smtpTable is SMTP's and submission's.
var smtpTable = table{
	command.Helo: always(allowed), // inside a transaction it is RSET, too
	command.Ehlo: always(allowed),
	command.Lhlo: always(unknown),
	// state:            start      ready      opened    refused    addressed chunking
	command.Mail:     row(needHello, allowed, nested, nested, nested, nested),
	command.Rcpt:     row(needHello, needMail, allowed, allowed, allowed, inChunks),
	command.Data:     row(needHello, needMail, needRcpt, noneValid, allowed, inChunks), // RFC 3030 §2
	command.Bdat:     row(needHello, needMail, needRcpt, noneValid, allowed, allowed),
	command.Auth:     row(needHello, allowed, inMail, inMail, inMail, inMail), // RFC 4954 §4
	command.StartTLS: row(needHello, allowed, inMail, inMail, inMail, inMail),
	// RFC 5321 §4.1.4: these may be used at any time.
	command.Rset: always(allowed),
	command.Noop: always(allowed),
	command.Vrfy: always(allowed),
	command.Expn: always(allowed),
	command.Help: always(allowed),
	command.Quit: {}, // even where we are not welcome

	command.Unknown: always(unknown),
	command.HTTP:    always(unknown),
	command.Turn:    always(absent),
	command.Send:    always(absent),
	command.Soml:    always(absent),
	command.Saml:    always(absent),
	command.Etrn:    always(absent),
	command.Atrn:    always(absent),
}

// lmtpTable is LMTP's.
var lmtpTable = func(t table) table {
	// RFC 2033 §4.1: LHLO in place of HELO and EHLO, which must fail.
	t[command.Helo], t[command.Ehlo], t[command.Lhlo] = always(unknown), always(unknown), always(allowed)
	for v := range t {
		if t[v][start] == needHello {
			t[v][start] = needLhlo
		}
	}
	// RFC 2033 §4.2: DATA without any accepted recipient must be 503.
	t[command.Data][refused], t[command.Bdat][refused] = needRcpt, needRcpt
	return t
}(smtpTable)

// check looks a command up.
func (p Protocol) check(v command.Verb, st state) verdict {
	if p == LMTP {
		return lmtpTable[v][st]
	}
	return smtpTable[v][st]
}

// check says whether a command may come now: what the table says, but for what
// depends on this server's extensions and on what MAIL said.
func (s *session) check(v command.Verb) verdict {
	verdict := s.peer.Proto.check(v, s.state)
	switch {
	case v == command.Bdat && !s.srv.cfg.Chunking && s.state != unwelcome:
		return absent
	case v == command.Data && verdict == allowed && s.t.Params.Body == binaryMIME:
		return needBdat // RFC 3030 §3
	}
	return verdict
}
