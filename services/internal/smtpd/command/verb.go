package command

// Verb is a command's first word.
type Verb uint8

// The verbs that the parser knows; whether a server does anything about one
// is the server's business.
const (
	Unknown  Verb = iota
	Helo          // RFC 5321 §4.1.1.1
	Ehlo          // RFC 5321 §4.1.1.1
	Lhlo          // RFC 2033 §4.1
	Mail          // RFC 5321 §4.1.1.2
	Rcpt          // RFC 5321 §4.1.1.3
	Data          // RFC 5321 §4.1.1.4
	Rset          // RFC 5321 §4.1.1.5
	Vrfy          // RFC 5321 §4.1.1.6
	Expn          // RFC 5321 §4.1.1.7
	Help          // RFC 5321 §4.1.1.8
	Noop          // RFC 5321 §4.1.1.9
	Quit          // RFC 5321 §4.1.1.10
	StartTLS      // RFC 3207
	Auth          // RFC 4954
	Bdat          // RFC 3030
	Turn          // RFC 821, withdrawn by RFC 5321 appendix F.1
	Send          // RFC 821, RFC 5321 appendix F.6
	Soml          // the same
	Saml          // the same
	Etrn          // RFC 1985
	Atrn          // RFC 2645
	HTTP          // a request line: GET, POST, …
	numVerbs
)

// NumVerbs is how many verbs there are, Unknown included.
const NumVerbs = int(numVerbs)

var verbNames = [NumVerbs]string{
	Unknown: "?", Helo: "HELO", Ehlo: "EHLO", Lhlo: "LHLO", Mail: "MAIL", Rcpt: "RCPT", Data: "DATA",
	Rset: "RSET", Vrfy: "VRFY", Expn: "EXPN", Help: "HELP", Noop: "NOOP", Quit: "QUIT",
	StartTLS: "STARTTLS", Auth: "AUTH", Bdat: "BDAT",
	Turn: "TURN", Send: "SEND", Soml: "SOML", Saml: "SAML", Etrn: "ETRN", Atrn: "ATRN", HTTP: "HTTP",
}

// String returns the verb in capitals.
func (v Verb) String() string { return verbNames[v] }

// VerbOf finds a verb by its name, in any case of ASCII.
func VerbOf(name string) Verb {
	var up [8]byte
	if len(name) > len(up) {
		return Unknown
	}
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	switch string(up[:len(name)]) {
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE":
		return HTTP
	case "HTTP", "?":
		return Unknown
	}
	for v := Helo; v < HTTP; v++ {
		if verbNames[v] == string(up[:len(name)]) {
			return v
		}
	}
	return Unknown
}
