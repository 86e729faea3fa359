package lab

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"correio/services/internal/text"
	"correio/services/internal/zonefile"
)

var (
	textUndelegated = text.New("nobody delegates %s: %s has no NS record for it", "ninguém delega %s: %s não tem registro NS para ela")
	textNoChild     = text.New("%s is delegated, but no name server of the lab has that zone", "%s está delegada, mas nenhum servidor de nomes do laboratório tem essa zona")
	textNSParent    = text.New("%s is delegated to %s, which the zone's own NS records do not name (%s)", "%s está delegada a %s, que os registros NS da própria zona não citam (%s)")
	textNSChild     = text.New("the NS record %s is missing from the delegation of %s in %s", "o registro NS %s falta na delegação de %s em %s")
	textNoGlue      = text.New("%s is delegated to %s, which is below it: its address (glue) is missing here", "%s está delegada a %s, que fica abaixo dela: falta aqui o endereço (glue)")
	textGlue        = text.New("the glue of %s is %s, but its zone says %s", "o glue de %s é %s, mas a zona dele diz %s")
)

// join shows addresses; "no address" is a dash.
func join(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "-"
	}
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

// checkDelegations compares what a zone says of the zones below it with those.
func (r *report) checkDelegations(z *zone, n *names, by served) {
	if z.Odd {
		return
	}
	for _, cut := range slices.Sorted(maps.Keys(z.cuts)) {
		if by[cut] == nil {
			r.add(z.file, z.cuts[cut][0].Line, textNoChild, bare(cut))
			continue
		}
		child := n.zones[cut]
		for _, rec := range z.cuts[cut] {
			ns, ok := rec.RR.(*dns.NS)
			if !ok {
				continue
			}
			server := fqdn(ns.Ns)
			if child != nil && child.data != nil && !hasNS(child.data[cut], server) {
				r.add(z.file, rec.Line, textNSParent, bare(cut), bare(server), child.file)
			}
			// RFC 1034 §4.2.1: a server below the cut cannot be found without glue.
			if dns.IsSubDomain(cut, server) && !hasAddress(z.glue[server]) {
				r.add(z.file, rec.Line, textNoGlue, bare(cut), bare(server))
			}
		}
	}
	r.checkGlue(z, n)
}

// checkGlue compares glue with what the zone of the name says.
func (r *report) checkGlue(z *zone, n *names) {
	for _, owner := range slices.Sorted(maps.Keys(z.glue)) {
		real, _, known := n.addresses(owner)
		for _, rec := range z.glue[owner] {
			if a, ok := addressOf(rec.RR); ok && known && !slices.Contains(real, a) {
				r.add(z.file, rec.Line, textGlue, bare(owner), a, join(real))
			}
		}
	}
}

// checkParent: somebody delegates the zone, to the servers that it names itself.
func (r *report) checkParent(z *zone, n *names) {
	if z.origin == "." {
		return
	}
	up := parent(z.origin)
	for n.zones[up] == nil && up != "." {
		up = parent(up)
	}
	above := n.zones[up]
	if above == nil || above.data == nil {
		return
	}
	if len(above.cuts[z.origin]) == 0 {
		r.add(z.site.file(), z.line, textUndelegated, bare(z.origin), above.file)
		return
	}
	if z.Answer != "" || above.Odd {
		return
	}
	for _, rec := range z.data[z.origin] {
		if ns, ok := rec.RR.(*dns.NS); ok && !hasNS(above.cuts[z.origin], fqdn(ns.Ns)) {
			r.add(z.file, rec.Line, textNSChild, bare(fqdn(ns.Ns)), bare(z.origin), above.file)
		}
	}
}

func hasNS(records []zonefile.Record, server string) bool {
	return slices.ContainsFunc(records, func(rec zonefile.Record) bool {
		ns, ok := rec.RR.(*dns.NS)
		return ok && fqdn(ns.Ns) == server
	})
}

func hasAddress(records []zonefile.Record) bool {
	return slices.ContainsFunc(records, func(rec zonefile.Record) bool {
		_, ok := addressOf(rec.RR)
		return ok
	})
}
