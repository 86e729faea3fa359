package lab

import (
	"os"
	"path/filepath"
	"slices"

	"correio/services/internal/text"
)

// File names of a lab directory.
const (
	LabFile  = "lab.yaml"
	SiteFile = "org.yaml"
)

// site is one folder while it is checked.
type site struct {
	org *Org
	doc *document
}

// complete tells that all sites could be read: then what none of them has, the
// lab has not.
func complete(sites []*site) bool {
	return !slices.ContainsFunc(sites, func(s *site) bool { return s.doc.root == nil })
}

func (s *site) file() string { return s.doc.file }

// LoadOrg reads the org.yaml of one site's folder, which is all that a node has
// of the lab. The error is a *FaultsError. Zone files are not read.
func LoadOrg(dir string) (*Org, error) {
	var r report
	s := r.site(dir)
	if err := r.err(); err != nil {
		return nil, err
	}
	return s.org, nil
}

// Load reads lab.yaml and the org.yaml of every site. The error is a
// *FaultsError. Zone files are not read.
func Load(dir string) (*Lab, error) {
	var r report
	lab, _ := r.lab(dir)
	if err := r.err(); err != nil {
		return nil, err
	}
	return lab, nil
}

func (r *report) site(dir string) *site {
	s := &site{org: &Org{Dir: dir}}
	s.doc = r.decode(filepath.Join(dir, SiteFile), s.org)
	if s.doc.root != nil {
		s.org.useALabels()
		r.checkSite(s)
	}
	return s
}

func (r *report) lab(dir string) (*Lab, []*site) {
	lab := &Lab{Dir: dir}
	doc := r.decode(filepath.Join(dir, LabFile), lab)
	if doc.root == nil {
		return lab, nil
	}
	var sites []*site
	for i, name := range lab.Sites {
		line := doc.line("sites", i)
		switch {
		case !filepath.IsLocal(name) || filepath.Base(name) != name || name == ".":
			r.add(doc.file, line, textSiteName, name)
		case slices.Index(lab.Sites, name) < i:
			r.add(doc.file, line, textTwice, name, doc.line("sites", slices.Index(lab.Sites, name)))
		default:
			sites = append(sites, r.site(filepath.Join(dir, name)))
		}
	}
	for _, s := range sites {
		lab.Orgs = append(lab.Orgs, s.org)
	}
	r.unlisted(lab, doc)
	r.checkLab(lab, doc, sites)
	return lab, sites
}

var (
	textSiteName = text.New("%q is not the name of a folder beside this file", "%q não é o nome de uma pasta ao lado deste arquivo")
	textUnlisted = text.New("the folder %s has an org.yaml, but is not among the sites", "a pasta %s tem um org.yaml, mas não está entre os sites")
)

// unlisted warns of folders that look like sites and are not named as such.
func (r *report) unlisted(lab *Lab, doc *document) {
	entries, err := os.ReadDir(lab.Dir)
	if err != nil {
		r.add(lab.Dir, 0, textUnread, err)
		return
	}
	for _, e := range entries {
		if !e.IsDir() || slices.Contains(lab.Sites, e.Name()) {
			continue
		}
		if _, err := os.Stat(filepath.Join(lab.Dir, e.Name(), SiteFile)); err == nil {
			r.warn(doc.file, doc.line("sites"), textUnlisted, e.Name())
		}
	}
}
