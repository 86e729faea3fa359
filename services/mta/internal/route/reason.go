package route

import (
	"fmt"
	"strconv"
	"strings"

	"correio/services/internal/text"
)

// Rule names what decided.
type Rule string

// The rules, in the order in which they are applied.
const (
	NotAnIDN      Rule = "not-an-idn"
	ALabels       Rule = "a-labels"
	Literal       Rule = "literal"
	Alias         Rule = "alias"
	NoSuchDomain  Rule = "no-such-domain"
	LookupFailed  Rule = "lookup-failed"
	Implicit      Rule = "implicit-mx"
	NoAddress     Rule = "no-address"
	NullMX        Rule = "null-mx"
	Sorted        Rule = "sorted"
	Shuffled      Rule = "shuffled"
	IsSelf        Rule = "self"
	NotBetter     Rule = "not-better-than-self"
	Loop          Rule = "loop"
	Final         Rule = "final"
	NotAHostName  Rule = "not-a-host-name"
	TargetAlias   Rule = "mx-is-alias"
	OtherFamily   Rule = "no-address-family"
	AddressFailed Rule = "address-lookup-failed"
	NoHostAddress Rule = "host-has-no-address"
	Unusable      Rule = "no-usable-mx"
	Capped        Rule = "capped"
)

// Reason is one decision: the rule and what it was applied to.
type Reason struct {
	Rule Rule
	Args []string // what the rule's text speaks of, in its order
}

// In says the reason in a language.
func (r Reason) In(lang text.Lang) string {
	args := make([]any, len(r.Args))
	for i, a := range r.Args {
		args[i] = a
	}
	return strings.TrimSuffix(r.text().Sprintf(lang, args...), ": ")
}

// String says the reason in English.
func (r Reason) String() string { return r.In(text.English) }

// Describe joins reasons for an event.
func Describe(reasons []Reason) string {
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = r.String()
	}
	return strings.Join(parts, "; ")
}

func (r Reason) text() text.Text {
	switch r.Rule {
	case NotAnIDN:
		return text.New("%s is no valid internationalised domain name (RFC 5891)", "%s não é um nome de domínio internacionalizado válido (RFC 5891)")
	case ALabels:
		return text.New("%s is %s in DNS (RFC 5890)", "%s é %s no DNS (RFC 5890)")
	case Literal:
		return text.New("%s is an address literal: no MX is asked for", "%s é um endereço literal: não se pergunta MX")
	case Alias:
		return text.New("%s is an alias for %s", "%s é um apelido (CNAME) de %s")
	case NoSuchDomain:
		return text.New("%s does not exist (NXDOMAIN)", "%s não existe (NXDOMAIN)")
	case LookupFailed:
		return text.New("no answer for now about %s: %s", "sem resposta por enquanto sobre %s: %s")
	case Implicit:
		return text.New("%s has no MX record: the domain itself is its mail host (RFC 5321 §5.1)", "%s não tem registro MX: o próprio domínio é seu servidor de correio (RFC 5321 §5.1)")
	case NoAddress:
		return text.New("%s has no address either", "%s também não tem endereço")
	case NullMX:
		return text.New(`%s says by "MX 0 ." that it takes no mail (RFC 7505)`, `%s diz com "MX 0 ." que não recebe correio (RFC 7505)`)
	case Sorted:
		return text.New("MX of %s by preference: %s", "MX de %s por preferência: %s")
	case Shuffled:
		return text.New("%s hosts of preference %s, shuffled: %s first", "%s servidores de preferência %s, sorteados: %s primeiro")
	case IsSelf:
		return text.New("%s (preference %s) is this host", "%s (preferência %s) é este servidor")
	case NotBetter:
		return text.New("%s dropped: preference %s is not better than our own, %s", "%s descartado: a preferência %s não é melhor que a nossa, %s")
	case Loop:
		return text.New("no host is left for %s: the mail would come back here", "não sobra servidor para %s: o correio voltaria para cá")
	case Final:
		return text.New("no host is named before this one for %s, a domain of this site: to the mailboxes by LMTP", "nenhum servidor vem antes deste para %s, um domínio deste site: para as caixas postais, por LMTP")
	}
	return r.hostText()
}

// hostText has the rules about one host of the list.
func (r Reason) hostText() text.Text {
	switch r.Rule {
	case NotAHostName:
		return text.New("%s dropped: an MX record must name a host, not an address", "%s descartado: um registro MX deve nomear um servidor, não um endereço")
	case TargetAlias:
		return text.New("warning: the MX names %s, which is an alias for %s (RFC 2181 §10.3 forbids it)", "aviso: o MX nomeia %s, que é um apelido de %s (a RFC 2181 §10.3 proíbe)")
	case OtherFamily:
		return text.New("%s dropped: it has only addresses of an IP version that this host lacks", "%s descartado: só tem endereços de uma versão de IP que este servidor não tem")
	case AddressFailed:
		return text.New("%s left out for now: its address could not be found out: %s", "%s deixado de lado por enquanto: seu endereço não pôde ser descoberto: %s")
	case NoHostAddress:
		return text.New("%s dropped: it has no address (%s)", "%s descartado: não tem endereço (%s)")
	case Unusable:
		return text.New("none of the MX records of %s is of use, and its own address must not be tried then", "nenhum dos registros MX de %s serve, e então não se tenta o endereço do próprio domínio")
	case Capped:
		return text.New("not more than %s hosts are tried at a time", "não mais que %s servidores são tentados de cada vez")
	}
	return text.New("unknown rule", "regra desconhecida")
}

func number(n int) string { return strconv.Itoa(n) }

// maxDescribed bounds the records that a reason lists.
const maxDescribed = 12

func describe(list []candidate) string {
	var parts []string
	for i, c := range list {
		if i == maxDescribed {
			parts = append(parts, "…")
			break
		}
		name := c.name
		if name == "" {
			name = "."
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.pref, name))
	}
	return strings.Join(parts, ", ")
}
