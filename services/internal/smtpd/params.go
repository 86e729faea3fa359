package smtpd

import (
	"strings"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
)

// binaryMIME is what BODY= says of a message that is no text (RFC 3030 §3).
const binaryMIME = "BINARYMIME"

var (
	// RFC 5321 §4.1.1.11: 555 for what is not known, or not offered here.
	replyMailParam = reply.New(555, "5.5.4", "Unknown MAIL FROM parameter")
	replyRcptParam = reply.New(555, "5.5.4", "Unknown RCPT TO parameter")
	replyBadValue  = reply.New(501, "5.5.4", "Bad parameter value")
	replyBinary    = reply.New(504, "5.5.4", "BODY=BINARYMIME is not implemented here")
)

// mailParams reads the parameters of MAIL. The error carries the reply.
func (s *session) mailParams(params []command.Param) (MailParams, error) {
	var m MailParams
	for _, p := range params {
		ok := true
		switch cfg := &s.srv.cfg; {
		case p.Key == "SIZE":
			m.Size, ok = command.ParseOctets(p.Value)
		case p.Key == "BODY":
			switch m.Body = strings.ToUpper(p.Value); m.Body {
			case "7BIT", "8BITMIME":
			case binaryMIME:
				if !cfg.BinaryMIME {
					return m, replyBinary.Err(nil)
				}
			default:
				ok = false
			}
		case p.Key == "SMTPUTF8" && cfg.SMTPUTF8:
			m.SMTPUTF8, ok = true, !p.HasValue
		case p.Key == "AUTH" && len(cfg.AuthMechanisms) > 0:
			m.Auth, ok = parseAuthParam(p.Value)
		case p.Key == "RET" && cfg.DSN:
			m.Ret = strings.ToUpper(p.Value)
			ok = m.Ret == "FULL" || m.Ret == "HDRS"
		case p.Key == "ENVID" && cfg.DSN:
			m.EnvID = p.Value
			_, ok = command.DecodeXtext(p.Value)
			ok = ok && p.HasValue && len(p.Value) <= 100 // RFC 3461 §4.4
		default:
			return m, replyMailParam.Err(nil)
		}
		if !ok {
			return m, replyBadValue.Err(nil)
		}
	}
	return m, nil
}

// rcptParams reads the parameters of RCPT. The error carries the reply.
func (s *session) rcptParams(to *Recipient, params []command.Param) error {
	for _, p := range params {
		var ok bool
		switch dsn := s.srv.cfg.DSN; {
		case p.Key == "NOTIFY" && dsn:
			to.Notify = strings.ToUpper(p.Value)
			ok = validNotify(to.Notify)
		case p.Key == "ORCPT" && dsn:
			to.ORcpt = p.Value
			ok = validORcpt(p.Value)
		default:
			return replyRcptParam.Err(nil)
		}
		if !ok {
			return replyBadValue.Err(nil)
		}
	}
	return nil
}

// parseAuthParam reads AUTH= of MAIL: "<>", or an address in xtext (RFC 4954
// §5).
func parseAuthParam(s string) (string, bool) {
	if s == "<>" {
		return s, true
	}
	decoded, ok := command.DecodeXtext(s)
	if !ok {
		return "", false
	}
	a, err := mailaddr.Parse(decoded)
	return a.String(), err == nil
}

// validNotify checks "NEVER", or a list of the others without repetition (RFC
// 3461 §4.1).
func validNotify(s string) bool {
	if s == "NEVER" {
		return true
	}
	seen := map[string]bool{}
	for word := range strings.SplitSeq(s, ",") {
		if word != "SUCCESS" && word != "FAILURE" && word != "DELAY" || seen[word] {
			return false
		}
		seen[word] = true
	}
	return true
}

// validORcpt checks addr-type ";" xtext (RFC 3461 §4.2), where utf-8 addresses
// may be themselves (RFC 6533 §3).
func validORcpt(s string) bool {
	kind, address, ok := strings.Cut(s, ";")
	if !ok || kind == "" || address == "" || len(s) > 500 {
		return false
	}
	for i := range len(kind) {
		c := kind[i] | 0x20
		if (c < 'a' || c > 'z') && (kind[i] < '0' || kind[i] > '9') && kind[i] != '-' {
			return false
		}
	}
	if strings.EqualFold(kind, "utf-8") {
		address = strings.Map(func(r rune) rune {
			if r >= 0x80 {
				return 'x'
			}
			return r
		}, address)
	}
	_, ok = command.DecodeXtext(address)
	return ok
}
