package lab

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/miekg/dns"

	"correio/services/internal/text"
	"correio/services/internal/zonefile"
)

var (
	textNoAddress  = text.New("the %s of %s names %s, which has no address", "o %s de %s aponta para %s, que não tem endereço")
	textToAlias    = text.New("the %s of %s names the alias %s (RFC 2181 section 10.3: it must not)", "o %s de %s aponta para o alias %s (RFC 2181, seção 10.3: não deve)")
	textDangling   = text.New("the alias %s leads to %s, which does not exist", "o alias %s leva a %s, que não existe")
	textNullMX     = text.New("MX \".\" means that %s takes no mail, yet it has other MX records (RFC 7505 section 3)", "MX \".\" diz que %s não recebe correio, mas há outros registros MX (RFC 7505, seção 3)")
	textNotServer  = text.New("%s is no name server of %s: no org.yaml gives it that zone", "%s não é servidor de nomes de %s: nenhum org.yaml lhe dá essa zona")
	textNotNamed   = text.New("%s has the zone %s, but no NS record there names it", "%s tem a zona %s, mas nenhum registro NS dela o cita")
	textHostNoAddr = text.New("%s is %s here, but has no address in %s", "%s é %s aqui, mas não tem endereço em %s")
	textHostAddr   = text.New("%s is %s here, but %s in org.yaml (%s:%d)", "%s é %s aqui, mas %s em org.yaml (%s:%d)")
	textHostNoZone = text.New("no zone of the lab has the name %s", "nenhuma zona do laboratório tem o nome %s")
	textNotOurMTA  = text.New("the MX of %s names %s, which is not one of its hosts of role mta (%s)", "o MX de %s aponta para %s, que não é uma de suas máquinas de papel mta (%s)")
	textMTANoMX    = text.New("no MX of %s names %s: nobody sends it mail from outside", "nenhum MX de %s aponta para %s: ninguém de fora lhe manda correio")
	textNoMX       = text.New("%s has no MX record", "%s não tem registro MX")
	textBackupBest = text.New("no MX of %s is better than the backup %s: it delivers to the mailboxes itself", "nenhum MX de %s é melhor que a reserva %s: ela mesma entrega às caixas postais")
	textNotHere    = text.New("mail for %s does not come to this site: no MX leads to its hosts", "o correio de %s não chega a este site: nenhum MX leva às suas máquinas")
	textNoHints    = text.New("the root hints %s name no server with an address", "as dicas da raiz %s não citam servidor com endereço")
	textHintsWrong = text.New("the root hints say %s for %s, but the root zone says %s", "as dicas da raiz dizem %s para %s, mas a zona raiz diz %s")
)

// checkTargets follows the MX, NS and CNAME records of a zone.
func (r *report) checkTargets(z *zone, n *names) {
	for _, owner := range slices.Sorted(maps.Keys(z.data)) {
		records, mx := z.data[owner], 0
		for _, rec := range records {
			if _, ok := rec.RR.(*dns.MX); ok {
				mx++
			}
		}
		for _, rec := range records {
			switch rr := rec.RR.(type) {
			case *dns.MX:
				if rr.Mx != "." {
					r.checkTarget(z, n, rec, "MX", owner, fqdn(rr.Mx))
				} else if mx > 1 { // RFC 7505 §3
					r.add(z.file, rec.Line, textNullMX, bare(owner))
				}
			case *dns.NS:
				r.checkTarget(z, n, rec, "NS", owner, fqdn(rr.Ns))
			case *dns.CNAME:
				target := fqdn(rr.Target)
				if found, known := n.at(target); known && len(found) == 0 {
					r.warn(z.file, rec.Line, textDangling, bare(owner), bare(target))
				}
			}
		}
	}
}

func (r *report) checkTarget(z *zone, n *names, rec zonefile.Record, kind, owner, target string) {
	addrs, alias, known := n.addresses(target)
	switch {
	case known && len(addrs) == 0:
		r.add(z.file, rec.Line, textNoAddress, kind, bare(owner), bare(target))
	case alias:
		r.warn(z.file, rec.Line, textToAlias, kind, bare(owner), bare(target))
	}
}

// checkServers compares a zone's own NS records with the hosts that have it.
func (r *report) checkServers(z *zone, sites []*site, by served, whole bool) {
	var listed []string
	for _, rec := range z.data[z.origin] {
		ns, ok := rec.RR.(*dns.NS)
		if !ok {
			continue
		}
		name := fqdn(ns.Ns)
		listed = append(listed, name)
		_, ours := z.site.org.Host(bare(name))
		if !by[z.origin][name] && (whole || ours) {
			r.add(z.file, rec.Line, textNotServer, bare(name), bare(z.origin))
		}
	}
	for _, s := range sites {
		for i, h := range s.org.Hosts {
			for j, entry := range h.Zones {
				if len(listed) > 0 && fqdn(entry.Name) == z.origin && !slices.Contains(listed, fqdn(h.Name)) {
					r.add(s.file(), s.doc.line("hosts", i, "zones", j, "name"), textNotNamed, h.Name, bare(z.origin))
				}
			}
		}
	}
}

// checkHostNames: each host's name leads to its address, the Internet one if it
// has one, else that on its LAN.
func (r *report) checkHostNames(s *site, n *names, whole bool) {
	for i, h := range s.org.Hosts {
		key, want := "internet", h.Internet
		if !want.IsValid() {
			key, want = "lan", h.LAN
		}
		name := fqdn(h.Name)
		z := n.of(name)
		switch {
		case h.Name == "" || !want.IsValid() || z != nil && z.Odd:
			continue
		case z == nil:
			// A zone that could not be read has its own fault.
			if whole && !n.unread(name) {
				r.add(s.file(), s.doc.line("hosts", i, "name"), textHostNoZone, h.Name)
			}
			continue
		}
		line, found := s.doc.line("hosts", i, key), false
		for _, rec := range z.data[name] {
			if a, ok := addressOf(rec.RR); ok {
				found = true
				if a != want {
					r.add(z.file, rec.Line, textHostAddr, h.Name, a, want, s.file(), line)
				}
			}
		}
		if !found {
			r.add(s.file(), line, textHostNoAddr, h.Name, want, z.file)
		}
	}
}

// unread tells that a name may be in a zone of the lab whose file is faulty.
func (n *names) unread(name string) bool {
	for at := name; ; at = parent(at) {
		if z := n.zones[at]; z != nil {
			return z.data == nil || z.cut(name) != "" // a cut without a zone has its own fault too
		}
		if at == "." {
			return false
		}
	}
}

// checkMX compares the MX records of an organisation's domain with its MTAs.
func (r *report) checkMX(s *site, n *names, whole bool) {
	o := s.org
	if o.Domain == "" {
		return
	}
	z := n.of(fqdn(o.Domain))
	if z == nil || z.Odd {
		if z == nil && whole && !n.unread(fqdn(o.Domain)) {
			r.add(s.file(), s.doc.line("domain"), textHostNoZone, o.Domain)
		}
		return
	}
	records, _ := n.at(fqdn(o.Domain))
	best := map[string]uint16{} // the lowest preference that names a host
	for _, rec := range records {
		mx, ok := rec.RR.(*dns.MX)
		if !ok {
			continue
		}
		name := bare(fqdn(mx.Mx))
		if h, ok := o.Host(name); !ok || h.Role != RoleMTA {
			r.add(z.file, rec.Line, textNotOurMTA, o.Domain, name, s.file())
		}
		if p, seen := best[name]; !seen || mx.Preference < p {
			best[name] = mx.Preference
		}
	}
	if len(best) == 0 {
		if addrs, _, _ := n.addresses(fqdn(o.Domain)); len(addrs) == 0 {
			r.add(s.file(), s.doc.line("domain"), textNoMX, o.Domain)
		} else {
			r.warn(s.file(), s.doc.line("domain"), textNoMX, o.Domain)
		}
		return
	}
	r.checkMTAs(s, best)
}

// checkMTAs warns of MTAs that the world does not know, and of a backup that is
// none: it has nobody to hand its mail to (RFC 5321 §5.1).
func (r *report) checkMTAs(s *site, best map[string]uint16) {
	for i, h := range s.org.Hosts {
		if h.Role != RoleMTA {
			continue
		}
		mine, named := best[h.Name]
		if !named {
			r.warn(s.file(), s.doc.line("hosts", i, "name"), textMTANoMX, s.org.Domain, h.Name)
			continue
		}
		better := func(other Host) bool {
			p, ok := best[other.Name]
			return ok && other.Role == RoleMTA && p < mine
		}
		if h.Backup && !slices.ContainsFunc(s.org.Hosts, better) {
			r.warn(s.file(), s.doc.line("hosts", i, "backup"), textBackupBest, s.org.Domain, h.Name)
		}
	}
}

// checkMailNames: domains that org.yaml claims exist, and their mail comes here.
func (r *report) checkMailNames(s *site, n *names) {
	var own []netip.Addr
	for _, h := range s.org.ByRole(RoleMTA) {
		own = append(own, h.Internet)
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"domains", s.org.Domains}, {"relays", s.org.Relays}} {
		for i, domain := range list.names {
			line := s.doc.line(list.key, i)
			if records, known := n.at(fqdn(domain)); known && len(records) == 0 {
				r.add(s.file(), line, textHostNoZone, domain)
				continue
			}
			addrs, known := n.mailHosts(fqdn(domain))
			comes := slices.ContainsFunc(addrs, func(a netip.Addr) bool { return slices.Contains(own, a) })
			if known && !comes {
				r.warn(s.file(), line, textNotHere, domain)
			}
		}
	}
}

// checkHints compares the root hints of resolvers with the root zone.
func (r *report) checkHints(s *site, n *names) {
	checked := map[string]bool{}
	for i, h := range s.org.Hosts {
		if h.Hints == "" || !insideLab(h.Hints) || checked[h.Hints] {
			continue
		}
		checked[h.Hints] = true
		file, line := filepath.Join(s.org.Dir, h.Hints), s.doc.line("hosts", i, "hints")
		records, ok := r.parseZone(file, ".", s.file(), line)
		if !ok {
			continue
		}
		hints, found := newNames(nil), 0
		hints.zones["."] = &zone{origin: ".", data: map[string][]zonefile.Record{}}
		for _, rec := range records {
			owner := fqdn(rec.RR.Header().Name)
			hints.zones["."].data[owner] = append(hints.zones["."].data[owner], rec)
		}
		for _, rec := range hints.zones["."].data["."] {
			if ns, ok := rec.RR.(*dns.NS); ok {
				found += r.checkHint(file, hints, n, fqdn(ns.Ns))
			}
		}
		if found == 0 {
			r.add(s.file(), line, textNoHints, file)
		}
	}
}

// checkHint returns how many addresses the hints have for a root server.
func (r *report) checkHint(file string, hints, n *names, server string) int {
	count := 0
	real, _, known := n.addresses(server)
	for _, rec := range hints.zones["."].data[server] {
		a, ok := addressOf(rec.RR)
		if !ok {
			continue
		}
		count++
		if known && !slices.Contains(real, a) {
			r.add(file, rec.Line, textHintsWrong, a, bare(server), join(real))
		}
	}
	return count
}
