package lab

// Check finds everything that is wrong with a lab directory: what Load refuses,
// faults in zone files, and what disagrees between zones and org.yaml. Faults come
// in the order of file and line; those of level Warning do not keep a lab from
// running. The Lab is what could be read, and never nil.
func Check(dir string) (*Lab, []Fault) {
	var r report
	lab, sites := r.lab(dir)
	r.checkDNS(sites, complete(sites))
	return lab, r.sorted()
}

// CheckOrg is Check for one site's folder alone. What depends on other sites is
// left out.
func CheckOrg(dir string) (*Org, []Fault) {
	var r report
	s := r.site(dir)
	r.checkDNS([]*site{s}, false)
	return s.org, r.sorted()
}

// checkDNS reads the zones and compares them with everything else. whole tells
// that all sites of the lab are there, so that a name that is in no zone does not
// exist.
func (r *report) checkDNS(sites []*site, whole bool) {
	zones, by := r.readZones(sites)
	n := newNames(zones)
	for _, z := range zones {
		if z.data == nil {
			continue
		}
		if !z.Odd {
			r.checkTargets(z, n)
			r.checkServers(z, sites, by, whole)
		}
		if whole {
			r.checkDelegations(z, n, by)
		}
	}
	if whole {
		for _, z := range zones {
			r.checkParent(z, n)
		}
	}
	for _, s := range sites {
		r.checkHostNames(s, n, whole)
		r.checkMX(s, n, whole)
		r.checkMailNames(s, n)
		r.checkHints(s, n)
	}
}
