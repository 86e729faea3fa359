package dnsclient

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/text"
)

// maxSteps bounds a walk: questions asked, answered or not.
const maxSteps = 40

// Outcome says what a step of a walk led to.
type Outcome string

// The outcomes of a step.
const (
	Hints    Outcome = "hints"    // where the root's servers are, as the resolver says
	Referral Outcome = "referral" // the server named the servers of a zone further down
	Final    Outcome = "answer"   // records, or an authoritative "there are none"
	Alias    Outcome = "alias"    // a CNAME that leads out of what the server knows
	Lame     Outcome = "lame"     // the server does not answer for the zone it was named for
	Broken   Outcome = "failed"   // no response
)

// Step is one question of a walk, and what came back.
type Step struct {
	Zone     string         // whose server was asked; "" for the resolver
	Server   string         // its name
	Addr     netip.AddrPort // its address
	Question dns.Question
	Msg      *dns.Msg // the response; nil when Broken
	RTT      time.Duration
	Outcome  Outcome
	// Next is the zone of a Referral, or the target of an Alias.
	Next string
	Err  error // of a Broken step
}

// server is one name server as a walk knows it.
type server struct {
	name string
	addr netip.Addr // the zero Addr when there was no glue
}

// Walk follows the delegations from the root to the answer, as "dig +trace"
// does: it asks the client's server, a resolver, where the root is (and for
// addresses of servers without glue), then only authoritative servers, without
// recursion. Each step is handed to show as soon as it is known. The error
// says why the walk ended without an answer.
func (c *Client) Walk(ctx context.Context, name string, qtype uint16, show func(Step)) error {
	if _, ok := dns.IsDomainName(dns.Fqdn(name)); !ok {
		return text.Errorf(walkNoName, name)
	}
	w := &walk{client: c, name: dns.Fqdn(name), qtype: qtype, show: show}
	root, err := w.start(ctx)
	if err != nil {
		return text.Errorf(walkNoWayToRoot, err)
	}
	w.root = root
	if err := w.run(ctx); err != nil {
		return text.Errorf(walkStopped, w.name, err)
	}
	return nil
}

var (
	walkNoName      = text.New("%q is not a domain name", "%q não é um nome de domínio")
	walkNoWayToRoot = text.New("where the root is, the resolver does not tell: %v", "onde fica a raiz, o resolvedor não diz: %v")
	walkStopped     = text.New("on the way to %s: %v", "no caminho até %s: %v")
	walkNoRoot      = text.New("the resolver does not know the root's servers", "o resolvedor não conhece os servidores da raiz")
	walkTooLong     = text.New("no answer after %d steps", "nenhuma resposta depois de %d passos")
	walkSilence     = text.New("no server of %s answers", "nenhum servidor de %s responde")
)

type walk struct {
	client *Client
	name   string // moves along CNAMEs
	qtype  uint16
	show   func(Step)
	steps  int
	root   []server
}

// start asks the resolver for the root's servers.
func (w *walk) start(ctx context.Context) ([]server, error) {
	step := Step{Server: "", Addr: w.client.cfg.Server, Outcome: Hints, Next: "."}
	w.ask(ctx, w.client, Query(".", dns.TypeNS), &step)
	if step.Msg == nil {
		step.Outcome = Broken
	}
	w.show(step)
	if step.Err != nil {
		return nil, step.Err
	}
	root := serversOf(".", step.Msg, step.Msg.Answer)
	if len(root) == 0 {
		return nil, text.Errorf(walkNoRoot)
	}
	return root, nil
}

// run goes down from the root, once more for every CNAME that leads away.
func (w *walk) run(ctx context.Context) error {
	zone, servers := ".", w.root
	for {
		step, err := w.askAny(ctx, zone, servers)
		if err != nil {
			return err
		}
		switch step.Outcome {
		case Referral:
			zone, servers = step.Next, serversOf(step.Next, step.Msg, step.Msg.Ns)
		case Alias:
			w.name, zone, servers = step.Next, ".", w.root
		default:
			return nil
		}
	}
}

// askAny asks the servers of a zone in turn until one is of use.
func (w *walk) askAny(ctx context.Context, zone string, servers []server) (Step, error) {
	for _, s := range servers {
		if !s.addr.IsValid() {
			found := w.client.LookupAddrs(ctx, s.name)
			if len(found.List) == 0 {
				continue
			}
			s.addr = found.List[0]
		}
		if w.steps++; w.steps > maxSteps {
			return Step{}, text.Errorf(walkTooLong, maxSteps)
		}
		step := Step{Zone: zone, Server: s.name, Addr: netip.AddrPortFrom(s.addr, 53)}
		m := Query(w.name, w.qtype)
		m.RecursionDesired = false
		w.ask(ctx, w.client.ForServer(step.Addr), m, &step)
		step.Outcome, step.Next = judge(zone, w.name, w.qtype, step.Msg)
		w.show(step)
		if step.Outcome != Broken && step.Outcome != Lame {
			return step, nil
		}
		if ctx.Err() != nil {
			return Step{}, ctx.Err()
		}
	}
	return Step{}, text.Errorf(walkSilence, zone)
}

func (w *walk) ask(ctx context.Context, c *Client, m *dns.Msg, step *Step) {
	step.Question = m.Question[0]
	start := time.Now()
	step.Msg, step.Err = c.Exchange(ctx, m)
	step.RTT = time.Since(start)
}

// judge says what a response of one of zone's servers means.
func judge(zone, name string, qtype uint16, m *dns.Msg) (Outcome, string) {
	if m == nil {
		return Broken, ""
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return Lame, ""
	}
	if a := Read(name, qtype, m); m.Authoritative {
		if a.Status == NoData && a.Alias() && !hasSOA(m) {
			return Alias, a.Canonical
		}
		return Final, ""
	}
	for _, rr := range m.Ns {
		child := rr.Header().Name
		down := dns.IsSubDomain(zone, child) && !strings.EqualFold(zone, child) && dns.IsSubDomain(child, name)
		if rr.Header().Rrtype == dns.TypeNS && down {
			return Referral, child
		}
	}
	return Lame, ""
}

func hasSOA(m *dns.Msg) bool {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return true
		}
	}
	return false
}

// serversOf lists the servers that the NS records of a zone name, with their
// addresses from the additional section, one entry for each address.
func serversOf(zone string, m *dns.Msg, records []dns.RR) []server {
	var list []server
	for _, rr := range records {
		ns, ok := rr.(*dns.NS)
		if !ok || !strings.EqualFold(ns.Hdr.Name, zone) {
			continue
		}
		glue := false
		for _, extra := range m.Extra {
			if addr, ok := Address(extra); ok && strings.EqualFold(extra.Header().Name, ns.Ns) {
				list = append(list, server{ns.Ns, addr})
				glue = true
			}
		}
		if !glue {
			list = append(list, server{name: ns.Ns})
		}
	}
	return list
}
