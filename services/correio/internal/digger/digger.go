// Package digger reads questions as dig(1) takes them, and writes answers as
// it does.
package digger

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/dnsclient"
	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
)

// Question is what a command line asks.
type Question struct {
	Server  string // as after "@"; "" for the lab's resolver
	Name    string
	Type    uint16
	Trace   bool
	Short   bool
	Reverse string // an address whose name is asked for, as after dig's -x; Name is "" then
}

// Parse reads the words of a command line, in any order: @SERVER, NAME, TYPE,
// +trace, +short. The type is A when none is given, PTR in a reverse question. Names may be written in
// U-labels; they are asked for in A-labels, as mail servers do.
func (q *Question) Parse(words []string) error {
	q.Type = 0
	for _, word := range words {
		server, isServer := strings.CutPrefix(word, "@")
		rrtype, isType := dns.StringToType[strings.ToUpper(word)]
		switch {
		case isServer:
			q.Server = server
		case word == "+trace":
			q.Trace = true
		case word == "+short":
			q.Short = true
		case strings.HasPrefix(word, "+"):
			return text.Errorf(unknownOption, word)
		case isType && (q.Name != "" || q.Reverse != "" || len(words) > 1 && !strings.Contains(word, ".")) && q.Type == 0:
			q.Type = rrtype
		case q.Name == "":
			q.Name = word
		default:
			return text.Errorf(unknownType, word)
		}
	}
	if q.Reverse != "" {
		if err := q.reverse(); err != nil {
			return err
		}
	}
	if q.Type == 0 {
		q.Type = dns.TypeA
	}
	for _, name := range []*string{&q.Name, &q.Server} {
		ascii, err := mailaddr.ToASCII(*name)
		if err != nil {
			return text.Errorf(badName, *name, err)
		}
		*name = ascii
	}
	if q.Name == "" {
		return text.Errorf(noName)
	}
	if _, ok := dns.IsDomainName(q.Name); !ok {
		return text.Errorf(notADomain, q.Name)
	}
	return nil
}

// reverse asks for the name of an address (RFC 1035 §3.5, RFC 3596 §2.5).
func (q *Question) reverse() error {
	name, err := dns.ReverseAddr(q.Reverse)
	switch {
	case err != nil:
		return text.Errorf(notAnAddress, q.Reverse)
	case q.Name != "":
		return text.Errorf(nameAndAddress, q.Name, q.Reverse)
	}
	q.Name = name
	if q.Type == 0 {
		q.Type = dns.TypePTR
	}
	return nil
}

var (
	unknownOption  = text.New("unknown option %s", "opção desconhecida %s")
	unknownType    = text.New("unknown type %q", "tipo desconhecido %q")
	badName        = text.New("%q: %v", "%q: %v")
	noName         = text.New("no name is given", "falta o nome")
	notADomain     = text.New("%q is not a domain name", "%q não é um nome de domínio")
	notAnAddress   = text.New("%q is not an IP address", "%q não é um endereço IP")
	nameAndAddress = text.New("either a name (%s) or -x with an address (%s)", "ou um nome (%s) ou -x com um endereço (%s)")
)

// Answer is a response and where it came from.
type Answer struct {
	Server string
	Msg    *dns.Msg
	Took   time.Duration
}

// Write writes the answer as dig does.
func (a Answer) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\n%s;; Query time: %d msec\n;; SERVER: %s (tcp)\n;; MSG SIZE rcvd: %d\n",
		strings.TrimLeft(a.Msg.String(), "\n"), names(a.Msg), a.Took.Milliseconds(), a.Server, a.Msg.Len())
	return err
}

// names tells how people write the internationalised names of a message, one in
// a line.
func names(m *dns.Msg) string {
	var all []string
	for _, q := range m.Question {
		all = append(all, q.Name)
	}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			all = append(all, rr.Header().Name)
			switch rr := rr.(type) {
			case *dns.MX:
				all = append(all, rr.Mx)
			case *dns.CNAME:
				all = append(all, rr.Target)
			case *dns.NS:
				all = append(all, rr.Ns)
			}
		}
	}
	var b strings.Builder
	seen := map[string]bool{}
	for _, name := range all {
		if both := mailaddr.Both(name); both != name && !seen[both] {
			seen[both] = true
			fmt.Fprintf(&b, ";; IDN: %s\n", both)
		}
	}
	return b.String()
}

// WriteShort writes the data of the answers alone.
func (a Answer) WriteShort(w io.Writer) error {
	for _, rr := range a.Msg.Answer {
		if _, err := fmt.Fprintln(w, strings.TrimPrefix(rr.String(), rr.Header().String())); err != nil {
			return err
		}
	}
	return nil
}

// Message is a response in JSON.
type Message struct {
	Server     string   `json:"server"`
	Question   string   `json:"question"`
	Rcode      string   `json:"rcode"`
	Flags      []string `json:"flags"`
	TookMS     int64    `json:"took_ms"`
	Answer     []string `json:"answer"`
	Authority  []string `json:"authority"`
	Additional []string `json:"additional"`
}

// JSON returns the answer for programs.
func (a Answer) JSON() Message {
	m := Message{Server: a.Server, Rcode: dns.RcodeToString[a.Msg.Rcode], Flags: flags(a.Msg), TookMS: a.Took.Milliseconds(),
		Answer: records(a.Msg.Answer), Authority: records(a.Msg.Ns), Additional: records(a.Msg.Extra)}
	if len(a.Msg.Question) == 1 {
		m.Question = question(a.Msg.Question[0])
	}
	return m
}

func question(q dns.Question) string { return q.Name + " " + dns.TypeToString[q.Qtype] }

func flags(m *dns.Msg) []string {
	set := []string{}
	for _, f := range []struct {
		name string
		on   bool
	}{{"qr", m.Response}, {"aa", m.Authoritative}, {"tc", m.Truncated}, {"rd", m.RecursionDesired}, {"ra", m.RecursionAvailable}, {"ad", m.AuthenticatedData}, {"cd", m.CheckingDisabled}} {
		if f.on {
			set = append(set, f.name)
		}
	}
	return set
}

// records writes records in presentation form, without the EDNS pseudo-record.
func records(rrs []dns.RR) []string {
	lines := []string{}
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
		}
	}
	return lines
}

// Step is one step of a walk in JSON.
type Step struct {
	Zone     string   `json:"zone"`
	Server   string   `json:"server"`
	Address  string   `json:"address"`
	Question string   `json:"question"`
	Outcome  string   `json:"outcome"`
	Next     string   `json:"next,omitempty"`
	Error    string   `json:"error,omitempty"`
	TookMS   int64    `json:"took_ms"`
	Message  *Message `json:"message,omitempty"`
}

// StepJSON returns a step for programs.
func StepJSON(s dnsclient.Step) Step {
	out := Step{Zone: s.Zone, Server: s.Server, Address: s.Addr.String(), Question: question(s.Question),
		Outcome: string(s.Outcome), Next: s.Next, TookMS: s.RTT.Milliseconds()}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	if s.Msg != nil {
		m := Answer{Server: s.Server, Msg: s.Msg, Took: s.RTT}.JSON()
		out.Message = &m
	}
	return out
}

var (
	asked = text.New(
		"; asked %s (%s) for %s: %s, %s, %d ms",
		"; pergunta a %s (%s) sobre %s: %s, %s, %d ms")
	resolver = text.New("the resolver", "o resolvedor")
	outcomes = map[dnsclient.Outcome]text.Text{
		dnsclient.Hints:    text.New("where the root is", "onde está a raiz"),
		dnsclient.Referral: text.New("referral", "delegação"),
		dnsclient.Final:    text.New("answer", "resposta"),
		dnsclient.Alias:    text.New("alias", "apelido"),
		dnsclient.Lame:     text.New("not authoritative for the zone", "sem autoridade sobre a zona"),
		dnsclient.Broken:   text.New("no response", "sem resposta"),
	}
)

func orResolver(server string, lang text.Lang) string {
	if server == "" {
		return resolver.In(lang)
	}
	return strings.TrimSuffix(server, ".")
}

// WriteStep writes a step of a walk for people: the records, then who said so.
func WriteStep(w io.Writer, s dnsclient.Step, lang text.Lang) error {
	var b strings.Builder
	rcode := "-"
	if s.Msg != nil {
		rcode = dns.RcodeToString[s.Msg.Rcode]
		for _, section := range [][]dns.RR{s.Msg.Answer, s.Msg.Ns, s.Msg.Extra} {
			for _, rr := range section {
				if rr.Header().Rrtype != dns.TypeOPT {
					fmt.Fprintln(&b, rr)
				}
			}
		}
	}
	if s.Msg != nil {
		b.WriteString(names(s.Msg))
	}
	fmt.Fprintf(&b, "%s\n", asked.Sprintf(lang, orResolver(s.Server, lang), s.Addr, question(s.Question), rcode, outcomes[s.Outcome].In(lang), s.RTT.Milliseconds()))
	if s.Err != nil {
		fmt.Fprintf(&b, "; %s\n", text.Say(s.Err, lang))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}
