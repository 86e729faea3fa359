// Package lab is the lab directory: plain files that people write and read,
// and the model that every program of the lab has of them.
//
// A folder with an org.yaml describes one site: an organisation, or a piece of
// the infrastructure (root, TLD, resolvers). A node loads its own folder alone
// with LoadOrg, so that it cannot know what it should have asked DNS for; the
// tools and the observatory load the whole directory with Load.
//
// Reading is strict and complete: LoadOrg and Load refuse an unknown key, a
// missing or a duplicate address, a role without what it needs, and report
// everything wrong at once, each as a Fault with file and line. They do not read
// zone files: these are the name servers' own, change while the lab runs, and
// may be broken to see what happens. Check and CheckOrg read them as well, and
// say where zones, delegations and org.yaml disagree.
//
//	decode.go            YAML to the model, with the line of every value
//	siteyaml.go people.go  one org.yaml by itself
//	aliases.go           aliases, forwards and lists: what is behind an address
//	reserved.go          local parts that mean a reply at every organisation
//	labyaml.go           lab.yaml, and the sites compared with each other
//	zones.go             the zones, each by itself
//	names.go             where a name leads, asked of the zones
//	agree.go             zones compared with org.yaml
//	delegation.go        parent zones compared with their children
package lab

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
)

// Role is what a node does.
type Role string

// The roles of nodes (design §3).
const (
	RoleDNS         Role = "dns"
	RoleResolver    Role = "resolver"
	RoleMTA         Role = "mta"
	RoleMDA         Role = "mda"
	RolePC          Role = "pc"
	RoleObservatory Role = "observatory"
)

// Roles lists every role, in the order in which mail meets them.
var Roles = []Role{RoleDNS, RoleResolver, RolePC, RoleMTA, RoleMDA, RoleObservatory}

// ControlPort is where every node listens on its control address.
const ControlPort = 9025

// Lab is a whole lab directory: lab.yaml and the sites that it lists.
type Lab struct {
	Dir  string `yaml:"-"`
	Name string `yaml:"name"`
	// Sites are the folders that hold an org.yaml, in the order to show them.
	Sites []string `yaml:"sites"`
	// Observatory is where the page and the control client live.
	Observatory Observatory `yaml:"observatory"`

	Orgs []*Org `yaml:"-"` // the loaded sites, in order
}

// Observatory is lab.yaml's entry for the page.
type Observatory struct {
	Name    string     `yaml:"name"` // its host name, such as observatory.nic.test
	Control netip.Addr `yaml:"control"`
	// UserPorts forwards ports of the host's loopback to a node of the lab
	// through the workstation of that node's organisation.
	UserPorts []UserPort `yaml:"user-ports"`
}

// UserPort forwards one port of 127.0.0.1 to host:port inside the lab.
type UserPort struct {
	Port int    `yaml:"port"` // on the host's loopback, 1 to 65535
	Via  string `yaml:"via"`  // the workstation that dials, such as pc.aurora.test
	To   string `yaml:"to"`   // host:port, such as mx1.aurora.test:25
}

// Org is one site: org.yaml of an organisation or of infrastructure.
type Org struct {
	Dir    string `yaml:"-"`      // the folder
	Title  string `yaml:"title"`  // what to call it, such as Aurora
	Domain string `yaml:"domain"` // its mail domain; empty for infrastructure
	// Domains are further domains whose mail belongs to the same mailboxes. In
	// org.yaml a domain may be written in U-labels (café.test); here all are in
	// A-labels (xn--caf-dma.test), as DNS has them.
	Domains []string `yaml:"domains,omitempty"`
	// Relays are domains that the site's MTAs take mail for and hand on by MX.
	Relays   []string   `yaml:"relays,omitempty"`
	Networks Networks   `yaml:"networks"`
	Resolver netip.Addr `yaml:"resolver"` // asked for every name
	Hosts    []Host     `yaml:"hosts"`
	People   []Person   `yaml:"people,omitempty"`
	// Aliases maps a local part to whom its mail is for: people, other aliases,
	// lists, and addresses of other organisations. See Targets.
	Aliases map[string]Targets `yaml:"aliases,omitempty"`
	Lists   []List             `yaml:"lists,omitempty"`
	// Elsewhere is an address at another organisation: where the reserved local
	// part "mudou" has moved to, and "encaminha" is forwarded to.
	Elsewhere string `yaml:"elsewhere,omitempty"`
	SMTP      SMTP   `yaml:"smtp,omitempty"`
	Limits    Limits `yaml:"limits,omitempty"`
}

// SMTP is how a site's servers speak SMTP. The zero value is what the lab
// teaches as right; the rest shows what else there is.
type SMTP struct {
	Chunking   bool `yaml:"chunking,omitempty"`   // offer CHUNKING (RFC 3030), and send by BDAT where others do
	BinaryMIME bool `yaml:"binarymime,omitempty"` // offer BINARYMIME as well
	// ASCIIOnly does not offer SMTPUTF8 (RFC 6531), as old servers do not: mail
	// that needs it comes back from here with 5.6.7.
	ASCIIOnly bool `yaml:"ascii-only,omitempty"`
	// Auth are the SASL mechanisms of submission, in the order to offer them;
	// without any, AuthMechanisms.
	Auth []string `yaml:"auth,omitempty"`
	// AuthWithoutTLS lets people send passwords in clear, to see how they look
	// on the wire. RFC 4954 §4 forbids it for a reason.
	AuthWithoutTLS bool     `yaml:"auth-without-tls,omitempty"`
	LineEnds       LineEnds `yaml:"line-ends,omitempty"`
	// TLS is how much encryption the site's MTAs want of other hosts.
	TLS WantTLS `yaml:"tls,omitempty"`
	// BounceCopies sends the site's postmaster the header of each message that
	// failed, besides the report that its sender gets.
	BounceCopies bool `yaml:"bounce-copies,omitempty"`
	// Greylist refuses strangers on port 25 for that long, in the lab's time.
	Greylist Greylist `yaml:"greylist,omitempty"`
	// CheckSenderDomain refuses a sender on port 25 whose domain has neither a
	// mail host nor an address, or takes no mail: nobody there could be told.
	// While DNS does not answer it is 451.
	CheckSenderDomain bool `yaml:"check-sender-domain,omitempty"`
	// Expn lets VRFY and EXPN tell who is behind an address (RFC 5321 §3.5).
	Expn bool `yaml:"expn,omitempty"`
	// WithoutSRS forwards mail to other organisations with the envelope sender as
	// it is: a host that checks SPF there will not believe it.
	WithoutSRS bool `yaml:"without-srs,omitempty"`
	// SRSKey is what the addresses of forwarded mail are signed with; without it
	// they are with what org.yaml has of secrets, the passwords.
	SRSKey string `yaml:"srs-key,omitempty"`
}

// Greylist is how long a stranger waits: a time, or true for DefaultGreylist.
type Greylist time.Duration

// DefaultGreylist is what `greylist: true` means, in the lab's time. Real
// servers wait some minutes; a class watches this one: the lab's own MTAs come
// back after five seconds, and are let in.
const DefaultGreylist = Greylist(5 * time.Second)

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *Greylist) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true":
		*g = DefaultGreylist
		return nil
	case "false":
		*g = 0
		return nil
	}
	return (*Duration)(g).UnmarshalText(text)
}

// WantTLS says how much encryption mail to other hosts must have.
type WantTLS string

// What can be wanted. A host that does not offer it is asked again later.
const (
	// OpportunisticTLS (RFC 7435), the default, protects against who only
	// listens: any certificate will do, and mail goes in clear rather than not at
	// all. What the certificate is worth is recorded.
	OpportunisticTLS WantTLS = "opportunistic"
	// EncryptedTLS is with any certificate.
	EncryptedTLS WantTLS = "encrypt"
	// VerifiedTLS is with one for the host's name from the lab's authority.
	VerifiedTLS WantTLS = "verify"
)

// Wanted returns the choice, the default for none.
func (s SMTP) Wanted() WantTLS {
	if s.TLS == "" {
		return OpportunisticTLS
	}
	return s.TLS
}

// AuthMechanisms are the SASL mechanisms that the lab's servers know.
var AuthMechanisms = []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"}

// Mechanisms are what submission offers.
func (s SMTP) Mechanisms() []string {
	if len(s.Auth) == 0 {
		return AuthMechanisms
	}
	return s.Auth
}

// LineEnds says what a server does about a bare CR or LF in a message.
type LineEnds string

// What can be done about bare CR and LF (behaviour: RFC 5321 §2.3.8 forbids
// them; servers that disagree about the end of a message can be smuggled
// through, CVE-2023-51764).
const (
	RefuseBare    LineEnds = "refuse"    // 500 5.5.2, the default
	NormaliseBare LineEnds = "normalise" // each becomes CRLF; only CRLF.CRLF ends
	TrustBare     LineEnds = "trust"     // the hole itself: LF.LF and its kind end a message
)

// Bare returns the choice, the default for none.
func (s SMTP) Bare() LineEnds {
	if s.LineEnds == "" {
		return RefuseBare
	}
	return s.LineEnds
}

// Duration is a time as org.yaml writes it: 90s, 5m, 1h.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err //nolint:wrapcheck // its caller says what it wants instead
}

// Networks are the prefixes that a site is on.
type Networks struct {
	Internet netip.Prefix `yaml:"internet,omitempty"`
	LAN      netip.Prefix `yaml:"lan,omitempty"`
	Control  netip.Prefix `yaml:"control"`
}

// Host is one node of a site.
type Host struct {
	Name     string     `yaml:"name"` // full name without a final dot, lower case
	Role     Role       `yaml:"role"`
	Internet netip.Addr `yaml:"internet,omitempty"`
	LAN      netip.Addr `yaml:"lan,omitempty"`
	Control  netip.Addr `yaml:"control"`
	// Zones are what a dns node answers for.
	Zones []Zone `yaml:"zones,omitempty"`
	// Hints is the file of root hints that a resolver starts from.
	Hints string `yaml:"hints,omitempty"`
	// Backup marks an MTA that queues for its organisation's better MX hosts,
	// and delivers to the MDA itself only when DNS names none.
	Backup bool `yaml:"backup,omitempty"`
}

// Zone is one zone of a dns node.
type Zone struct {
	Name string `yaml:"name"` // without a final dot, but "." for the root
	// File is relative to the site's folder. It may lie in a folder beside it.
	File string `yaml:"file,omitempty"`
	// Answer "servfail" makes the node answer SERVFAIL for the zone, as a
	// server does that could not load it. The zone then has no file.
	Answer string `yaml:"answer,omitempty"`
	// Odd marks a zone whose content is wrong on purpose: its syntax is checked,
	// and not whether it agrees with the rest of the lab.
	Odd bool `yaml:"odd,omitempty"`
}

// Person is somebody with a mailbox.
type Person struct {
	Name     string `yaml:"name"` // the local part, as mailaddr.Fold has it
	Password string `yaml:"password"`
	// Quota bounds the mailbox in octets; 0 means the site's limit.
	Quota int64 `yaml:"quota,omitempty"`
}

// Limits bound what a site accepts. Zero values mean the default.
type Limits struct {
	// MessageSize is in octets, default 25 MiB, and Header of the same its header's,
	// default 1 MiB. Where mail is passed on, on submission and at a backup, it must
	// be up to 4 KiB smaller: trace lines come in front on the way.
	MessageSize int64 `yaml:"message-size,omitempty"`
	Header      int64 `yaml:"header,omitempty"`
	Line        int   `yaml:"line,omitempty"`        // octets of a command line, default 2048
	Recipients  int   `yaml:"recipients,omitempty"`  // per transaction, default 100
	Quota       int64 `yaml:"quota,omitempty"`       // octets per mailbox, default 256 MiB
	Queue       int64 `yaml:"queue,omitempty"`       // octets that wait at an MTA, default 4 GiB
	Connections int   `yaml:"connections,omitempty"` // per node, default 500
	PerClient   int   `yaml:"per-client,omitempty"`  // connections per address, default 100
	// Commands is how many commands a client address may give in a minute, on
	// all of its connections together, without those that brought an accepted
	// message; default 6,000.
	Commands     int      `yaml:"commands,omitempty"`
	Errors       int      `yaml:"errors,omitempty"`        // 4xx and 5xx since the last message, but to RCPT; default 50
	Refusals     int      `yaml:"refusals,omitempty"`      // recipients refused by 5xx since the last message, default 100
	AuthFailures int      `yaml:"auth-failures,omitempty"` // per session, default 5
	Idle         Duration `yaml:"idle,omitempty"`          // for one command, default 5m
}

// Defaults returns the limits with every zero value replaced.
func (l Limits) Defaults() Limits {
	or(&l.MessageSize, 25<<20)
	or(&l.Header, 1<<20)
	or(&l.Line, 2048)
	or(&l.Recipients, 100)
	or(&l.Quota, 256<<20)
	or(&l.Queue, 4<<30)
	or(&l.Connections, 500)
	or(&l.PerClient, 100)
	or(&l.Commands, 6_000)
	or(&l.Errors, 50)
	or(&l.Refusals, 100)
	or(&l.AuthFailures, 5)
	or(&l.Idle, Duration(5*time.Minute))
	return l
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// Host returns the site's host of that name.
func (o *Org) Host(name string) (Host, bool) {
	i := slices.IndexFunc(o.Hosts, func(h Host) bool { return strings.EqualFold(h.Name, name) })
	if i < 0 {
		return Host{}, false
	}
	return o.Hosts[i], true
}

// Host returns the lab's host of that name, at whichever site.
func (l *Lab) Host(name string) (Host, bool) {
	for _, o := range l.Orgs {
		if h, ok := o.Host(name); ok {
			return h, true
		}
	}
	return Host{}, false
}

// OrgOf returns the site that the host of that name belongs to.
func (l *Lab) OrgOf(host string) (*Org, bool) {
	for _, o := range l.Orgs {
		if _, ok := o.Host(host); ok {
			return o, true
		}
	}
	return nil, false
}

// ByRole returns the site's hosts of one role, in the order of org.yaml.
func (o *Org) ByRole(role Role) []Host {
	var hosts []Host
	for _, h := range o.Hosts {
		if h.Role == role {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// Local reports whether mail for the domain belongs to this site's mailboxes.
func (o *Org) Local(domain string) bool {
	same := func(d string) bool { return mailaddr.SameDomain(d, domain) }
	return o.Domain != "" && (same(o.Domain) || slices.ContainsFunc(o.Domains, same))
}

// Relayed reports whether the site's MTAs take mail for the domain to hand on.
func (o *Org) Relayed(domain string) bool {
	return slices.ContainsFunc(o.Relays, func(d string) bool { return mailaddr.SameDomain(d, domain) })
}
