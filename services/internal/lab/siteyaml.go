package lab

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
)

var (
	textMissing   = text.New("%q is missing", "falta %q")
	textName      = text.New("%q is not a host or domain name in lower case without a final dot", "%q não é um nome de máquina ou domínio em minúsculas sem ponto final")
	textRole      = text.New("%q is no role; roles: dns, resolver, mta, mda, pc", "%q não é um papel; papéis: dns, resolver, mta, mda, pc")
	textLabRole   = text.New("the observatory is set in lab.yaml, not as a host of a site", "o observatório é definido em lab.yaml, não como máquina de um site")
	textNeeds     = text.New("a host of role %s needs %q", "uma máquina de papel %s precisa de %q")
	textNotFor    = text.New("%q is for hosts of role %s, not %s", "%q é para máquinas de papel %s, não %s")
	textNoDomain  = text.New("a host of role %s needs a site that has a domain", "uma máquina de papel %s precisa de um site com domínio")
	textNoHost    = text.New("mail for %s needs a host of role %s", "o correio de %s precisa de uma máquina de papel %s")
	textOneMDA    = text.New("a second mda: a site has one", "um segundo mda: cada site tem um só")
	textAllBackup = text.New("every mta is a backup: none delivers to the mda", "todo mta é reserva: nenhum entrega ao mda")
	textOutside   = text.New("%s is outside the site's %s network %s", "%s está fora da rede %s do site, %s")
	textNoNetwork = text.New("the site has no network %q for this address", "o site não tem a rede %q para este endereço")
	textHostBits  = text.New("%s is not the first address of a network; %s is", "%s não é o primeiro endereço de uma rede; %s é")
	textUnusable  = text.New("%s is the network's or the broadcast address of %s", "%s é o endereço da rede ou de difusão de %s")
	textGateway   = text.New("%s is where the container engine puts itself on %s", "%s é onde o motor de contêineres se põe em %s")
	textEither    = text.New("a zone has either a file or an answer", "uma zona tem ou um arquivo ou uma resposta (answer)")
	textAnswer    = text.New("%q is no answer; there is: servfail", "%q não é uma resposta; existe: servfail")
	textPath      = text.New("%q must be a path inside the site's folder or a folder beside it", "%q deve ser um caminho dentro da pasta do site ou de uma pasta ao lado")
)

// checkSite reports what is wrong with one org.yaml by itself.
func (r *report) checkSite(s *site) {
	o := s.org
	if o.Title == "" {
		r.missing(s, "title")
	}
	r.checkNetworks(s)
	if len(o.Hosts) == 0 {
		r.missing(s, "hosts")
	}
	for i := range o.Hosts {
		r.checkHost(s, i)
	}
	r.duplicates(s, "hosts", "name", len(o.Hosts), func(i int) string { return o.Hosts[i].Name })
	r.checkDomains(s)
	r.checkRoles(s)
	r.checkPeople(s)
	r.checkElsewhere(s)
	r.checkSMTP(s)
	r.checkLimits(s)
}

// missing reports a key that is not there. One whose value was refused has its
// fault already.
func (r *report) missing(s *site, key string, path ...any) {
	if s.doc.given(append(slices.Clone(path), key)...) {
		return
	}
	r.add(s.file(), s.doc.line(path...), textMissing, key)
}

// duplicates reports entries of a list whose value at key was given before.
func (r *report) duplicates(s *site, list, key string, n int, value func(int) string) {
	first := map[string]int{}
	for i := range n {
		v := value(i)
		if v == "" {
			continue
		}
		path := []any{list, i}
		if key != "" {
			path = append(path, key)
		}
		line := s.doc.line(path...)
		if before, dup := first[v]; dup {
			r.add(s.file(), line, textTwice, v, before)
			continue
		}
		first[v] = line
	}
}

func (r *report) checkNetworks(s *site) {
	n := s.org.Networks
	if !n.Control.IsValid() {
		r.missing(s, "control", "networks")
	}
	for _, net := range []struct {
		key    string
		prefix netip.Prefix
	}{{"internet", n.Internet}, {"lan", n.LAN}, {"control", n.Control}} {
		if net.prefix.IsValid() && net.prefix != net.prefix.Masked() {
			r.add(s.file(), s.doc.line("networks", net.key), textHostBits, net.prefix, net.prefix.Masked())
		}
	}
}

func (r *report) checkHost(s *site, i int) {
	h := s.org.Hosts[i]
	at := func(keys ...any) int { return s.doc.line(append([]any{"hosts", i}, keys...)...) }
	if h.Name == "" {
		r.missing(s, "name", "hosts", i)
	} else if !isName(h.Name) {
		r.add(s.file(), at("name"), textName, h.Name)
	}
	nets := s.org.Networks
	r.checkAddress(s, at("internet"), "internet", h.Internet, nets.Internet)
	r.checkAddress(s, at("lan"), "lan", h.LAN, nets.LAN)
	r.checkAddress(s, at("control"), "control", h.Control, nets.Control)
	r.checkRole(s, i, at)
	for z := range h.Zones {
		r.checkZoneEntry(s, i, z)
	}
}

func (r *report) checkAddress(s *site, line int, key string, a netip.Addr, net netip.Prefix) {
	switch {
	case !a.IsValid():
	case !net.IsValid():
		if !s.doc.given("networks", key) {
			r.add(s.file(), line, textNoNetwork, key)
		}
	case !net.Contains(a):
		r.add(s.file(), line, textOutside, a, key, net)
	case a == net.Masked().Addr() || a.Is4() && !net.Contains(a.Next()):
		r.add(s.file(), line, textUnusable, a, net)
	case a == net.Masked().Addr().Next():
		r.add(s.file(), line, textGateway, a, net)
	}
}

// needs are the keys that a role cannot do without.
var needs = map[Role][]string{
	RoleDNS:      {"internet", "zones"},
	RoleResolver: {"internet", "hints"},
	RoleMTA:      {"internet", "lan"},
	RoleMDA:      {"lan"},
	RolePC:       {"internet", "lan"},
}

// only are the keys that make sense for one role.
var only = map[string]Role{"zones": RoleDNS, "hints": RoleResolver, "backup": RoleMTA}

func (r *report) checkRole(s *site, i int, at func(...any) int) {
	h := s.org.Hosts[i]
	wants, known := needs[h.Role]
	switch {
	case h.Role == "":
		r.missing(s, "role", "hosts", i)
		return
	case h.Role == RoleObservatory:
		r.add(s.file(), at("role"), textLabRole)
		return
	case !known:
		r.add(s.file(), at("role"), textRole, string(h.Role))
		return
	}
	has := map[string]bool{
		"internet": h.Internet.IsValid(), "lan": h.LAN.IsValid(), "control": h.Control.IsValid(),
		"zones": len(h.Zones) > 0, "hints": h.Hints != "", "backup": h.Backup,
	}
	for _, key := range append(slices.Clone(wants), "control") {
		if !has[key] && !s.doc.given("hosts", i, key) {
			r.add(s.file(), at(), textNeeds, h.Role, key)
		}
	}
	for _, key := range []string{"zones", "hints", "backup"} {
		if has[key] && only[key] != h.Role {
			r.add(s.file(), at(key), textNotFor, key, only[key], h.Role)
		}
	}
	if h.Hints != "" && !insideLab(h.Hints) {
		r.add(s.file(), at("hints"), textPath, h.Hints)
	}
}

func (r *report) checkZoneEntry(s *site, host, i int) {
	z := s.org.Hosts[host].Zones[i]
	at := func(key string) int { return s.doc.line("hosts", host, "zones", i, key) }
	switch {
	case z.Name == "":
		r.missing(s, "name", "hosts", host, "zones", i)
	case z.Name != "." && !isName(z.Name):
		r.add(s.file(), at("name"), textName, z.Name)
	}
	switch {
	case (z.File == "") == (z.Answer == ""):
		r.add(s.file(), at("name"), textEither)
	case z.Answer != "" && z.Answer != "servfail":
		r.add(s.file(), at("answer"), textAnswer, z.Answer)
	case z.File != "" && !insideLab(z.File):
		r.add(s.file(), at("file"), textPath, z.File)
	}
	for before := range i {
		if s.org.Hosts[host].Zones[before].Name == z.Name {
			line := s.doc.line("hosts", host, "zones", before, "name")
			r.add(s.file(), at("name"), textTwice, z.Name, line)
			break
		}
	}
}

// insideLab accepts paths in the site's folder and in folders beside it.
func insideLab(path string) bool {
	return filepath.IsLocal(strings.TrimPrefix(filepath.ToSlash(path), "../"))
}

// isName accepts names as hosts and domains have them in the lab: lower case,
// ASCII, without a final dot.
func isName(s string) bool {
	return text.IsASCII(s) && s == strings.ToLower(s) && mailaddr.IsDomain(s)
}

// checkRoles reports what a site with mail lacks, and mail without a domain.
func (r *report) checkRoles(s *site) {
	o := s.org
	if o.Domain == "" {
		if s.doc.given("domain") {
			return
		}
		for i, h := range o.Hosts {
			if h.Role == RoleMTA || h.Role == RoleMDA || h.Role == RolePC {
				r.add(s.file(), s.doc.line("hosts", i, "role"), textNoDomain, h.Role)
			}
		}
		return
	}
	for _, role := range []Role{RoleMTA, RoleMDA} {
		if len(o.ByRole(role)) == 0 {
			r.add(s.file(), s.doc.line("domain"), textNoHost, o.Domain, role)
		}
	}
	if mtas := o.ByRole(RoleMTA); len(mtas) > 0 && !slices.ContainsFunc(mtas, func(h Host) bool { return !h.Backup }) {
		r.add(s.file(), s.doc.line("hosts"), textAllBackup)
	}
	mdas := 0
	for i, h := range o.Hosts {
		if h.Role == RoleMDA {
			if mdas++; mdas > 1 {
				r.add(s.file(), s.doc.line("hosts", i, "role"), textOneMDA)
			}
		}
	}
	if !o.Resolver.IsValid() && (len(o.ByRole(RoleMTA)) > 0 || len(o.ByRole(RolePC)) > 0) {
		r.missing(s, "resolver")
	}
}
