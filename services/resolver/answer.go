package resolver

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/dnsserver"
	"correio/services/internal/dnstext"
	"correio/services/internal/event"
	"correio/services/resolver/internal/iterate"
)

// Answer implements dnsserver.Handler.
func (n *Node) Answer(ctx context.Context, r *dnsserver.Request) *dns.Msg {
	m := new(dns.Msg).SetReply(r.Msg)
	m.RecursionAvailable = true
	switch r.Question.Qtype {
	case dns.TypeAXFR, dns.TypeIXFR:
		return refuse(m, dns.RcodeRefused, iterate.Failure{Code: dns.ExtendedErrorCodeProhibited, Text: "no zone transfers"})
	case dns.TypeMAILA, dns.TypeMAILB:
		return refuse(m, dns.RcodeNotImplemented, iterate.Failure{Code: dns.ExtendedErrorCodeNotSupported})
	}
	var res iterate.Result
	if r.Msg.RecursionDesired {
		res = n.resolve(ctx, r)
	} else {
		var ok bool
		if res, ok = n.core.Cached(r.Question); !ok {
			return refuse(m, dns.RcodeRefused, iterate.Failure{Code: dns.ExtendedErrorCodeProhibited, Text: "not in the cache, and no recursion desired"})
		}
		r.Note = event.M(event.Cached, "yes")
	}
	if res.Rcode == dns.RcodeServerFailure {
		return refuse(m, res.Rcode, res.Reason)
	}
	m.Rcode, m.Answer = res.Rcode, res.Answer
	if res.SOA != nil {
		m.Ns = []dns.RR{res.SOA}
	}
	return m
}

// flight is a walk and the connection name under which it was recorded.
type flight struct {
	res  iterate.Result
	conn string
}

// resolve walks, or waits for the same walk that is under way.
func (n *Node) resolve(ctx context.Context, r *dnsserver.Request) iterate.Result {
	start := time.Now()
	q := r.Question
	q.Name = strings.ToLower(q.Name) // one walk for a name, however it is spelled
	v, err, _ := n.flights.Do(dnstext.Question(q), func() (any, error) {
		conn := n.env.Events.NextConn()
		return flight{n.core.Resolve(ctx, q, conn), conn}, nil
	})
	if err != nil { // the walk itself never fails, it says SERVFAIL
		return iterate.Result{Rcode: dns.RcodeServerFailure}
	}
	f := v.(flight)
	r.Conn = f.conn
	r.Note = event.M(event.RTT, strconv.FormatFloat(float64(time.Since(start).Microseconds())/1000, 'f', 1, 64))
	if f.res.Asked == 0 {
		r.Note = append(r.Note, event.Attr{Key: event.Cached, Value: "yes"})
	}
	f.res.Answer = spelled(f.res.Answer, r.Question.Name)
	return f.res
}

// spelled gives the records of the name that was asked for the client's
// spelling of it. What it changes are copies: others share the walk.
func spelled(records []dns.RR, name string) []dns.RR {
	list := slices.Clone(records)
	for i, rr := range list {
		if owner := rr.Header().Name; owner != name && strings.EqualFold(owner, name) {
			list[i] = dns.Copy(rr)
			list[i].Header().Name = name
		}
	}
	return list
}

// refuse answers with a code and its reason (RFC 8914).
func refuse(m *dns.Msg, rcode int, why iterate.Failure) *dns.Msg {
	m.Rcode = rcode
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: why.Code, ExtraText: why.Text}}
	m.Extra = []dns.RR{opt}
	return m
}
