package smtpd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd/wire"
)

// Config is what a server is made from.
type Config struct {
	// Hostname is the first word of the greeting, and of EHLO's reply.
	Hostname string
	// Greeting is said behind the name. "" means "ESMTP Correio" (LMTP Correio).
	Greeting string
	// Proto is the dialect; "" means SMTP.
	Proto Protocol
	// TLS makes STARTTLS possible; Submissions cannot do without it.
	TLS     *tls.Config
	Backend Backend

	// AuthMechanisms are what AUTH offers, of sasl.Mechanisms. Without any,
	// AUTH is not implemented.
	AuthMechanisms []string
	// RequireTLSForAuth keeps AUTH away from plain-text connections (538).
	RequireTLSForAuth bool
	// RequireAuth refuses MAIL before AUTH has succeeded (530).
	RequireAuth bool

	// SMTPUTF8 announces RFC 6531, and lets addresses that are not ASCII in.
	SMTPUTF8 bool
	// Chunking announces BDAT, BinaryMIME messages that are no text; the second
	// needs the first (RFC 3030).
	Chunking, BinaryMIME bool
	// LineEnds is what is done about a CR or LF that is not part of CRLF; "" means
	// RefuseBare.
	LineEnds LineEnds
	// DSN announces RFC 3461: the backend honours RET, ENVID, NOTIFY, ORCPT.
	DSN bool

	Limits Limits
	// Guard counts for several servers together; nil: this one for itself.
	Guard  *Guard
	Events *event.Log   // nil: nothing is recorded
	Log    *slog.Logger // nil: nothing is logged
}

// LineEnds says what becomes of a CR or LF in a message that is not part of CRLF.
type LineEnds string

// The choices (behaviour §4).
const (
	RefuseBare    LineEnds = "refuse"    // 500 5.5.2, behind the end of the message
	NormaliseBare LineEnds = "normalise" // it becomes CRLF; only CRLF.CRLF ends a message
	TrustBare     LineEnds = "trust"     // LF.LF and its like end one: the hole of CVE-2023-51764
)

var bareOf = map[LineEnds]wire.Bare{
	RefuseBare: wire.RefuseBare, NormaliseBare: wire.NormaliseBare, TrustBare: wire.TrustBare,
}

// Limits bound what a peer can use up. Zero values mean the default.
type Limits struct {
	// CommandLine and AuthLine bound a line, in octets with its line end.
	// RFC 5321 §4.5.3.1.4 wants 512 and more for extensions: default 2048; RFC
	// 4954 §4.3 wants 12288 in an AUTH exchange, the default.
	CommandLine, AuthLine int
	MessageSize           int64 // octets, default 25 MiB
	Header                int64 // octets of a message's header, default 1 MiB
	Recipients            int   // for one message, default 100 (RFC 5321 §4.5.3.1.8)
	// Errors is how many 4xx and 5xx replies a session may hear since its last
	// accepted message, default 50. Refused recipients are none: a list of people
	// has full and forgotten mailboxes, and its sender has done nothing wrong.
	Errors int
	// Refusals is how many recipients may be refused for good (5xx) since the last
	// accepted message, before 421 4.7.0 ends what looks like a search for
	// mailboxes. A transaction with accepted recipients is let to its end first,
	// or they would miss their message (see surplus). Default 100: all of the
	// recipients that everybody may name in one transaction (RFC 5321
	// §4.5.3.1.8) can be wrong.
	Refusals     int
	AuthFailures int // in one session, default 5; from one address ten times as many in a minute
	// Commands is how many commands an address may give in a minute on all its
	// connections, without those that led to an accepted message, before it
	// hears 421 4.7.0 and is cut off (450 would only bring more commands, and a
	// delay is no reply); default 6,000, and no limit where it is negative. RCPT
	// that was refused for good counts whatever it led to.
	Commands int

	Idle      time.Duration // for one command, default 5 min (RFC 5321 §4.5.3.2.7)
	Write     time.Duration // for the peer to take a reply, default 1 min
	Handshake time.Duration // for TLS, default 1 min

	// A message may take DataGrace (default 15 min: people type), and a second
	// more for each DataFloor octets of it that have come (default 128), but
	// never more than DataTotal (default 1 h), nor may it pause for longer than
	// DataIdle (default 5 min).
	DataGrace, DataTotal, DataIdle time.Duration
	DataFloor                      int64

	Connections int           // at a time, default 500
	PerClient   int           // at a time from one address, default 100
	Grace       time.Duration // between stop and cut, default 3 s
}

func (l *Limits) pace() wire.Pace {
	return wire.Pace{Size: l.MessageSize, Grace: l.DataGrace, Total: l.DataTotal, Idle: l.DataIdle, Floor: l.DataFloor}
}

// rules are what the message of a transaction has to keep to.
func (s *session) rules() wire.Rules {
	return wire.Rules{
		Pace: s.limits().pace(), Header: s.limits().Header, Bare: bareOf[s.srv.cfg.LineEnds],
		LF: s.lf && !s.crlf, Binary: s.t.Params.Body == binaryMIME,
	}
}

func (l Limits) withDefaults() Limits {
	def(&l.CommandLine, 2048)
	def(&l.AuthLine, 12288)
	def(&l.MessageSize, 25<<20)
	def(&l.Header, 1<<20)
	def(&l.Recipients, 100)
	def(&l.Errors, 50)
	def(&l.Refusals, 100)
	def(&l.AuthFailures, 5)
	def(&l.Commands, 6_000)
	def(&l.Idle, 5*time.Minute)
	def(&l.Write, time.Minute)
	def(&l.Handshake, time.Minute)
	def(&l.DataGrace, 15*time.Minute)
	def(&l.DataTotal, time.Hour)
	def(&l.DataIdle, 5*time.Minute)
	def(&l.DataFloor, 128)
	def(&l.Connections, 500)
	def(&l.PerClient, 100)
	def(&l.Grace, 3*time.Second)
	return l
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (cfg *Config) complete() error {
	def(&cfg.Proto, SMTP)
	def(&cfg.LineEnds, RefuseBare)
	def(&cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Greeting == "" {
		cfg.Greeting = "ESMTP Correio"
		if cfg.Proto == LMTP {
			cfg.Greeting = "LMTP Correio"
		}
	}
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Guard == nil {
		cfg.Guard = NewGuard(cfg.Limits)
	}
	if cfg.TLS != nil && cfg.Proto == SMTP {
		// Session tickets made some clients fail on port 25 (golang/go#70232),
		// and between two MTAs they save nothing.
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.SessionTicketsDisabled = true
	}
	return cfg.validate()
}

func (cfg *Config) validate() error {
	var faults []error
	if cfg.Hostname == "" {
		faults = append(faults, errors.New("no host name"))
	}
	if cfg.Backend == nil {
		faults = append(faults, errors.New("no backend"))
	}
	switch cfg.Proto {
	case SMTP, Submission, LMTP:
	case Submissions:
		if cfg.TLS == nil {
			faults = append(faults, errors.New("submissions needs TLS"))
		}
	default:
		faults = append(faults, fmt.Errorf("unknown protocol %q", cfg.Proto))
	}
	for _, m := range cfg.AuthMechanisms {
		if !sasl.Known(m) {
			faults = append(faults, fmt.Errorf("unknown mechanism %q", m))
		}
	}
	if cfg.RequireAuth && len(cfg.AuthMechanisms) == 0 {
		faults = append(faults, errors.New("authentication is required, but no mechanism given"))
	}
	if _, ok := bareOf[cfg.LineEnds]; !ok {
		faults = append(faults, fmt.Errorf("unknown choice %q of line ends", cfg.LineEnds))
	}
	if cfg.BinaryMIME && !cfg.Chunking {
		faults = append(faults, errors.New("BINARYMIME without CHUNKING"))
	}
	if cfg.Limits.CommandLine > wire.SmallBuffer || cfg.Limits.AuthLine > wire.LargeBuffer {
		faults = append(faults, fmt.Errorf("line limits are above %d and %d", wire.SmallBuffer, wire.LargeBuffer))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("smtpd: %w", err)
	}
	return nil
}
