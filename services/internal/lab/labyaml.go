package lab

import (
	"net"
	"net/netip"
	"strconv"

	"correio/services/internal/text"
)

var (
	textAddrTwice = text.New("the address %s is already that of %s (%s:%d)", "o endereço %s já é de %s (%s:%d)")
	textHostTwice = text.New("there is already a host %s (%s:%d)", "já existe uma máquina %s (%s:%d)")
	textDomTwice  = text.New("mail for %s already belongs to %s (%s:%d)", "o correio de %s já pertence a %s (%s:%d)")
	textOtherNet  = text.New("the %s network is %s here, but %s elsewhere (%s:%d)", "a rede %s é %s aqui, mas %s em outro lugar (%s:%d)")
	textOverlap   = text.New("the network %s overlaps %s (%s:%d)", "a rede %s se sobrepõe a %s (%s:%d)")
	textResolver  = text.New("%s is not the address of a resolver of the lab", "%s não é o endereço de um resolvedor do laboratório")
	textVia       = text.New("%q is not a workstation (role pc) of the lab", "%q não é uma estação (papel pc) do laboratório")
	textTo        = text.New("%q is not a host of the lab and a port, such as mx1.aurora.test:25", "%q não é uma máquina do laboratório e uma porta, como mx1.aurora.test:25")
	textObsNet    = text.New("%s is outside the control network %s", "%s está fora da rede de controle %s")
)

// place is where something was said first.
type place struct {
	what string
	file string
	line int
}

// checkLab reports what is wrong with lab.yaml, and what sites take from each
// other.
func (r *report) checkLab(lab *Lab, doc *document, sites []*site) {
	if lab.Name == "" {
		r.add(doc.file, doc.line(), textMissing, "name")
	}
	if len(lab.Sites) == 0 {
		r.add(doc.file, doc.line(), textMissing, "sites")
	}
	r.checkSharedNetworks(sites)
	r.checkLANs(sites)
	r.checkHosts(lab, doc, sites)
	r.checkMailDomains(sites)
	r.checkResolvers(sites)
	r.checkObservatory(lab, doc, sites)
	r.checkUserPorts(lab, doc, complete(sites))
}

// checkSharedNetworks: the backbone and the control network are one each.
func (r *report) checkSharedNetworks(sites []*site) {
	for key, prefix := range map[string]func(Networks) netip.Prefix{
		"internet": func(n Networks) netip.Prefix { return n.Internet },
		"control":  func(n Networks) netip.Prefix { return n.Control },
	} {
		var first *site
		for _, s := range sites {
			p := prefix(s.org.Networks)
			switch {
			case !p.IsValid():
			case first == nil:
				first = s
			case prefix(first.org.Networks) != p:
				r.add(s.file(), s.doc.line("networks", key), textOtherNet, key, p,
					prefix(first.org.Networks), first.file(), first.doc.line("networks", key))
			}
		}
	}
}

// checkLANs: each LAN is the site's own.
func (r *report) checkLANs(sites []*site) {
	type owned struct {
		prefix netip.Prefix
		place
	}
	var taken []owned
	for _, s := range sites {
		for _, n := range []struct {
			key    string
			prefix netip.Prefix
		}{{"internet", s.org.Networks.Internet}, {"control", s.org.Networks.Control}, {"lan", s.org.Networks.LAN}} {
			if !n.prefix.IsValid() {
				continue
			}
			line := s.doc.line("networks", n.key)
			for _, t := range taken {
				if t.prefix.Overlaps(n.prefix) && (t.what != n.key || n.key == "lan") {
					r.add(s.file(), line, textOverlap, n.prefix, t.prefix, t.file, t.line)
					break
				}
			}
			taken = append(taken, owned{n.prefix, place{n.key, s.file(), line}})
		}
	}
}

// checkHosts: names and addresses are given once in the whole lab.
func (r *report) checkHosts(lab *Lab, doc *document, sites []*site) {
	names, addrs := map[string]place{}, map[netip.Addr]place{}
	address := func(a netip.Addr, host string, at place) {
		if !a.IsValid() {
			return
		}
		if before, dup := addrs[a]; dup {
			r.add(at.file, at.line, textAddrTwice, a, before.what, before.file, before.line)
			return
		}
		addrs[a] = place{host, at.file, at.line}
	}
	name := func(host string, at place) {
		if before, dup := names[host]; dup && before.file != at.file {
			r.add(at.file, at.line, textHostTwice, host, before.file, before.line)
		} else if host != "" && !dup {
			names[host] = at
		}
	}
	for _, s := range sites {
		for i, h := range s.org.Hosts {
			at := func(key string) place { return place{h.Name, s.file(), s.doc.line("hosts", i, key)} }
			name(h.Name, at("name"))
			address(h.Internet, h.Name, at("internet"))
			address(h.LAN, h.Name, at("lan"))
			address(h.Control, h.Name, at("control"))
		}
	}
	name(lab.Observatory.Name, place{"", doc.file, doc.line("observatory", "name")})
	address(lab.Observatory.Control, lab.Observatory.Name, place{"", doc.file, doc.line("observatory", "control")})
}

// checkMailDomains: a domain's mailboxes are at one site.
func (r *report) checkMailDomains(sites []*site) {
	owner := map[string]place{}
	claim := func(s *site, domain string, line int) {
		if domain == "" {
			return
		}
		if before, dup := owner[domain]; dup && before.file != s.file() {
			r.add(s.file(), line, textDomTwice, domain, before.what, before.file, before.line)
			return
		}
		owner[domain] = place{s.org.Title, s.file(), line}
	}
	for _, s := range sites {
		claim(s, s.org.Domain, s.doc.line("domain"))
		for i, d := range s.org.Domains {
			claim(s, d, s.doc.line("domains", i))
		}
	}
}

func (r *report) checkResolvers(sites []*site) {
	resolvers := map[netip.Addr]bool{}
	for _, s := range sites {
		for _, h := range s.org.ByRole(RoleResolver) {
			resolvers[h.Internet] = true
		}
	}
	for _, s := range sites {
		if a := s.org.Resolver; a.IsValid() && !resolvers[a] {
			r.add(s.file(), s.doc.line("resolver"), textResolver, a)
		}
	}
}

func (r *report) checkObservatory(lab *Lab, doc *document, sites []*site) {
	o := lab.Observatory
	if o.Name == "" {
		r.add(doc.file, doc.line("observatory"), textMissing, "name")
	} else if !isName(o.Name) {
		r.add(doc.file, doc.line("observatory", "name"), textName, o.Name)
	}
	if !o.Control.IsValid() {
		r.add(doc.file, doc.line("observatory"), textMissing, "control")
		return
	}
	for _, s := range sites {
		if c := s.org.Networks.Control; c.IsValid() && !c.Contains(o.Control) {
			r.add(doc.file, doc.line("observatory", "control"), textObsNet, o.Control, c)
			return
		}
	}
}

func (r *report) checkUserPorts(lab *Lab, doc *document, whole bool) {
	first := map[int]int{}
	for i, p := range lab.Observatory.UserPorts {
		at := func(key string) int { return doc.line("observatory", "user-ports", i, key) }
		if p.Port < 1 || p.Port > 65535 {
			r.add(doc.file, at("port"), textRange, "port", p.Port, 1, 65535)
		} else if line, dup := first[p.Port]; dup {
			r.add(doc.file, at("port"), textTwice, strconv.Itoa(p.Port), line)
		} else {
			first[p.Port] = at("port")
		}
		if h, ok := lab.Host(p.Via); (whole || ok) && h.Role != RolePC {
			r.add(doc.file, at("via"), textVia, p.Via)
		}
		host, port, err := net.SplitHostPort(p.To)
		n, _ := strconv.ParseUint(port, 10, 16)
		if _, ok := lab.Host(host); err != nil || n == 0 || whole && !ok {
			r.add(doc.file, at("to"), textTo, p.To)
		}
	}
}
