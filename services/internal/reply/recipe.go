package reply

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"correio/services/internal/text"
)

// Security is how a connection is protected.
type Security string

// The kinds of security.
const (
	Plain    Security = "plain"
	StartTLS Security = "starttls" // in plain text at first
	TLS      Security = "tls"      // from the first octet
)

// Recipe is a dialogue with an organisation's first MX host that ends in the
// reply Want. It leaves nothing behind: no message is accepted, no other
// connection is disturbed.
type Recipe struct {
	Does     text.Text // in a few words
	Port     int
	Security Security
	Login    bool // as one of the organisation's people, before the lines
	// Lines are typed one after the other, each when the one before was
	// answered; Want is how the reply to the last one begins. Without lines it is
	// the greeting. Lines behind a 354 that are not its last are message text.
	Lines []string
	// Times is how often the last line is typed at most, until Want comes; 0
	// means once.
	Times int
	Want  string // "450 4.2.1"
}

// Values stand for the words in braces in a recipe's lines.
type Values struct {
	Me     string // {me}: the name to introduce oneself by
	Domain string // {domain}: the organisation's
	Auth   string // {auth}: name and password as AUTH PLAIN sends them
	New    string // {new}: a word that no server has seen before
}

// Plaintext is what AUTH PLAIN sends for a person (RFC 4616).
func Plaintext(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// Typed returns all that is typed, with the words in braces replaced. In a
// recipe with StartTLS the upgrade comes before it.
func (r Recipe) Typed(v Values) []string {
	lines := r.Lines
	if r.Login {
		lines = slices.Concat([]string{"EHLO {me}", "AUTH PLAIN {auth}"}, lines)
	}
	replace := strings.NewReplacer("{me}", v.Me, "{domain}", v.Domain, "{auth}", v.Auth, "{new}", v.New)
	typed := make([]string, len(lines))
	for i, line := range lines {
		typed[i] = replace.Replace(line)
	}
	return typed
}

var (
	wanted = regexp.MustCompile(`^([2-5]\d\d)( [245]\.\d{1,3}\.\d{1,3})?$`)
	braces = regexp.MustCompile(`\{[^}]*\}?`)
	words  = []string{"{me}", "{domain}", "{auth}", "{new}"}
)

// Check returns what is wrong with a recipe for a code.
func (r Recipe) Check(code int) error {
	switch {
	case r.Port < 1 || r.Port > 65535:
		return fmt.Errorf("port %d", r.Port)
	case !slices.Contains([]Security{Plain, StartTLS, TLS}, r.Security):
		return fmt.Errorf("security %q", r.Security)
	case r.Login && r.Security == Plain:
		return fmt.Errorf("a login in plain text")
	case !wanted.MatchString(r.Want) || !strings.HasPrefix(r.Want, fmt.Sprint(code)):
		return fmt.Errorf("wants %q", r.Want)
	case len(r.Lines) == 0 && (code != 220 || r.Times > 0 || r.Login):
		return fmt.Errorf("nothing is typed")
	case r.Times < 0 || r.Times > 100:
		return fmt.Errorf("%d times", r.Times)
	}
	for _, line := range r.Lines {
		if strings.ContainsAny(line, "\r\n") {
			return fmt.Errorf("line %q holds a line end", line)
		}
		for _, word := range braces.FindAllString(line, -1) {
			if !slices.Contains(words, word) {
				return fmt.Errorf("line %q holds %q", line, word)
			}
		}
	}
	return nil
}

// The beginnings that many recipes share.
const (
	hello  = "EHLO {me}"
	sender = "MAIL FROM:<postmaster@{domain}>"
)

// onSMTP is a dialogue on port 25.
func onSMTP(does text.Text, want string, lines ...string) Recipe {
	return Recipe{Does: does, Port: 25, Security: Plain, Lines: lines, Want: want}
}

// toReserved addresses a reserved local part (package lab) on port 25.
func toReserved(does text.Text, want, local string, then ...string) Recipe {
	lines := append([]string{hello, sender, "RCPT TO:<" + local + "@{domain}>"}, then...)
	return onSMTP(does, want, lines...)
}

// submission is a dialogue on port 587 inside TLS.
func submission(does text.Text, want string, login bool, lines ...string) Recipe {
	return Recipe{Does: does, Port: 587, Security: StartTLS, Login: login, Lines: lines, Want: want}
}
