package lab

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/miekg/dns"

	"correio/services/internal/text"
	"correio/services/internal/zonefile"
)

var (
	textZoneSyntax = text.New("zone syntax: %s", "sintaxe da zona: %s")
	textZoneFile   = text.New("there is no file %s", "o arquivo %s não existe")
	textOutOfZone  = text.New("%s is outside the zone %s", "%s está fora da zona %s")
	textClass      = text.New("%s is not of class IN", "%s não é da classe IN")
	textNoSOA      = text.New("the zone %s has no SOA record", "a zona %s não tem registro SOA")
	textSOATwice   = text.New("a second SOA record; first on line %d", "um segundo registro SOA; o primeiro na linha %d")
	textSOAPlace   = text.New("a SOA record belongs to %s, not to %s", "um registro SOA pertence a %s, não a %s")
	textNoNS       = text.New("the zone %s has no NS record", "a zona %s não tem registro NS")
	textCNAME      = text.New("%s is an alias (CNAME, line %d) and can have no other record (RFC 1034 section 3.6.2)", "%s é um alias (CNAME, linha %d) e não pode ter outro registro (RFC 1034, seção 3.6.2)")
)

// zone is one zone of the lab while it is checked. Names end in a dot.
type zone struct {
	Zone
	origin string
	site   *site
	server Host // the first that has it
	line   int  // of the entry in org.yaml
	file   string
	// records by owner, as its servers answer them; nil when unreadable.
	data map[string][]zonefile.Record
	// glue holds what lies below a delegation, cuts the NS records at it.
	glue, cuts map[string][]zonefile.Record
	// exists holds the owners of data and every name above them.
	exists map[string]bool
}

// served is which hosts have which zone, in their org.yaml.
type served map[string]map[string]bool

// readZones reads every zone file of the sites.
func (r *report) readZones(sites []*site) ([]*zone, served) {
	var zones []*zone
	by := served{}
	for _, s := range sites {
		for i, h := range s.org.Hosts {
			for j, entry := range h.Zones {
				origin := fqdn(entry.Name)
				first := by[origin] == nil
				if first {
					by[origin] = map[string]bool{}
				}
				by[origin][fqdn(h.Name)] = true
				if !first || entry.Name == "" {
					continue
				}
				z := &zone{Zone: entry, origin: origin, site: s, server: h}
				z.line = s.doc.line("hosts", i, "zones", j, "name")
				r.readZone(z, s.doc.line("hosts", i, "zones", j, "file"))
				zones = append(zones, z)
			}
		}
	}
	return zones, by
}

func fqdn(name string) string { return dns.CanonicalName(name) }

// bare is how a name is shown and written in org.yaml.
func bare(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

func (r *report) readZone(z *zone, line int) {
	if z.File == "" || !insideLab(z.File) {
		return
	}
	z.file = filepath.Join(z.site.org.Dir, z.File)
	records, ok := r.parseZone(z.file, z.origin, z.site.file(), line)
	if !ok {
		return
	}
	z.index(records)
	r.checkApex(z, records)
	r.checkOwners(z, records)
}

// parseZone reports what keeps a zone file from being read; where is the line that
// names it.
func (r *report) parseZone(file, origin, whereFile string, where int) ([]zonefile.Record, bool) {
	records, err := zonefile.ParseFile(file, origin)
	var syntax *zonefile.Error
	switch {
	case err == nil:
		return records, true
	case errors.As(err, &syntax):
		r.add(file, syntax.Line, textZoneSyntax, syntax.What)
	case errors.Is(err, fs.ErrNotExist):
		r.add(whereFile, where, textZoneFile, file)
	default:
		r.add(file, 0, textUnread, err)
	}
	return nil, false
}

// index sorts the records into what the zone answers for and what it passes on.
func (z *zone) index(records []zonefile.Record) {
	z.data, z.glue, z.cuts = map[string][]zonefile.Record{}, map[string][]zonefile.Record{}, map[string][]zonefile.Record{}
	for _, rec := range records {
		if owner := fqdn(rec.RR.Header().Name); rec.RR.Header().Rrtype == dns.TypeNS && owner != z.origin {
			z.cuts[owner] = append(z.cuts[owner], rec)
		}
	}
	z.exists = map[string]bool{z.origin: true}
	for _, rec := range records {
		owner := fqdn(rec.RR.Header().Name)
		switch {
		case z.cut(owner) == "":
			z.data[owner] = append(z.data[owner], rec)
			for up := owner; !z.exists[up] && dns.IsSubDomain(z.origin, up); up = parent(up) {
				z.exists[up] = true
			}
		case rec.RR.Header().Rrtype != dns.TypeNS:
			z.glue[owner] = append(z.glue[owner], rec)
		}
	}
}

// cut returns the delegation that a name is at or below, or "".
func (z *zone) cut(name string) string {
	for name != z.origin && name != "." && dns.IsSubDomain(z.origin, name) {
		if len(z.cuts[name]) > 0 {
			return name
		}
		name = parent(name)
	}
	return ""
}

// parent drops the first label; the root is its own parent.
func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

func (r *report) checkApex(z *zone, records []zonefile.Record) {
	soa, ns := 0, false
	for _, rec := range records {
		owner := fqdn(rec.RR.Header().Name)
		switch rec.RR.(type) {
		case *dns.SOA:
			switch {
			case owner != z.origin:
				r.add(z.file, rec.Line, textSOAPlace, bare(z.origin), bare(owner))
			case soa > 0:
				r.add(z.file, rec.Line, textSOATwice, soa)
			default:
				soa = rec.Line
			}
		case *dns.NS:
			ns = ns || owner == z.origin
		}
	}
	// RFC 1035 §5.2: exactly one SOA at the top of the zone.
	if soa == 0 {
		r.add(z.file, 1, textNoSOA, bare(z.origin))
	}
	if !ns {
		r.add(z.file, 1, textNoNS, bare(z.origin))
	}
}

func (r *report) checkOwners(z *zone, records []zonefile.Record) {
	alias := map[string]int{}
	for _, rec := range records {
		if rec.RR.Header().Rrtype == dns.TypeCNAME {
			alias[fqdn(rec.RR.Header().Name)] = rec.Line
		}
	}
	for _, rec := range records {
		h := rec.RR.Header()
		owner := fqdn(h.Name)
		if !dns.IsSubDomain(z.origin, owner) {
			r.add(z.file, rec.Line, textOutOfZone, bare(owner), bare(z.origin))
		}
		if h.Class != dns.ClassINET {
			r.add(z.file, rec.Line, textClass, bare(owner))
		}
		if line := alias[owner]; line != 0 && line != rec.Line {
			r.add(z.file, rec.Line, textCNAME, bare(owner), line)
		}
	}
}
