package tlsfiles

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"correio/services/internal/atomicfile"
	"correio/services/internal/lab"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	hostLife      = 2 * 365 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour // what has less left than this is made anew
	clockSkew     = time.Hour           // a certificate is good from so long before it was made
)

// authority signs the lab's certificates.
type authority struct {
	cert *x509.Certificate
	key  any
	pem  []byte // the certificate
}

// ensureAuthority reads the authority from dir, or makes a new one when there is
// none that is good for this lab.
func ensureAuthority(dir string, l *lab.Lab, now time.Time) (*authority, error) {
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, err
	}
	want := authorityTemplate(l, now)
	old, err := readAuthority(dir)
	if err == nil && old.good(want, now) {
		return old, nil
	}
	var path *fs.PathError // anything but "not there" and "not a key" is for a person to see
	if errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, want, want, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := writePair(filepath.Join(dir, CAFile), certPEM, filepath.Join(dir, caKeyFile), keyPEM); err != nil {
		return nil, err
	}
	return readAuthority(dir)
}

func readAuthority(dir string) (*authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, CAFile), filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	return &authority{cert: pair.Leaf, key: pair.PrivateKey, pem: certPEM}, nil
}

// good reports whether an authority has time left and may sign for this lab.
func (a *authority) good(want *x509.Certificate, now time.Time) bool {
	ranges := func(c *x509.Certificate) []string {
		var out []string
		for _, n := range c.PermittedIPRanges {
			out = append(out, n.String())
		}
		return out
	}
	return a.cert.IsCA && now.After(a.cert.NotBefore) && now.Add(renewBefore).Before(a.cert.NotAfter) &&
		slices.Equal(a.cert.PermittedDNSDomains, want.PermittedDNSDomains) &&
		slices.Equal(ranges(a.cert), ranges(want))
}

func authorityTemplate(l *lab.Lab, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:                     pkix.Name{Organization: []string{"Correio"}, CommonName: "Correio lab: " + l.Name},
		NotBefore:                   now.Add(-clockSkew),
		NotAfter:                    now.Add(authorityLife),
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         permittedNames(l),
		PermittedIPRanges:           permittedRanges(l),
	}
}

// permittedNames are the top-level domains of the lab's hosts, and localhost,
// where the lab's ports are published.
func permittedNames(l *lab.Lab) []string {
	names := []string{"localhost"}
	for _, o := range l.Orgs {
		for _, h := range o.Hosts {
			names = append(names, h.Name[strings.LastIndexByte(h.Name, '.')+1:])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// benchmark is the range that RFC 2544 sets aside, where the lab lives by default.
var benchmark = netip.MustParsePrefix("198.18.0.0/15")

// permittedRanges are the networks of the lab and the loopback network. Networks
// within 198.18.0.0/15 count as that, so that a new organisation there needs no
// new authority.
func permittedRanges(l *lab.Lab) []*net.IPNet {
	ranges := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, o := range l.Orgs {
		for _, p := range []netip.Prefix{o.Networks.Internet, o.Networks.LAN} {
			if p.IsValid() && benchmark.Overlaps(p) {
				p = benchmark
			}
			if p.IsValid() && !slices.Contains(ranges, p) {
				ranges = append(ranges, p)
			}
		}
	}
	slices.SortFunc(ranges, netip.Prefix.Compare)
	nets := make([]*net.IPNet, len(ranges))
	for i, p := range ranges {
		nets[i] = &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
	}
	return nets
}

// subject is what a host's certificate is for.
type subject struct {
	host  string
	names []string
	addrs []net.IP
}

// namesOf returns every name and address by which mail programs reach a host:
// its own, those that its organisation's zone gives it, and the host's loopback,
// where the lab's ports are published.
func namesOf(o *lab.Org, h lab.Host) subject {
	s := subject{host: h.Name, names: []string{h.Name}, addrs: []net.IP{net.IPv4(127, 0, 0, 1).To4()}}
	switch h.Role {
	case lab.RoleMTA:
		s.names = append(s.names, "smtp."+o.Domain)
	case lab.RoleMDA:
		s.names = append(s.names, "pop."+o.Domain, "imap."+o.Domain)
	}
	s.names = append(s.names, "localhost")
	for _, a := range []netip.Addr{h.Internet, h.LAN} {
		if a.IsValid() {
			s.addrs = append(s.addrs, a.AsSlice())
		}
	}
	return s
}

// ensureHost makes the certificate of a host unless there is a good one.
func (a *authority) ensureHost(dir string, s subject, now time.Time) error {
	certFile, keyFile := hostFiles(dir, s.host)
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && a.goodHost(pair.Leaf, s, now) {
		return nil
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.host},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(hostLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    s.names,
		IPAddresses: s.addrs,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return writePair(certFile, certPEM, keyFile, keyPEM)
}

func (a *authority) goodHost(c *x509.Certificate, s subject, now time.Time) bool {
	sameAddrs := slices.EqualFunc(c.IPAddresses, s.addrs, net.IP.Equal)
	return c.CheckSignatureFrom(a.cert) == nil && slices.Equal(c.DNSNames, s.names) && sameAddrs &&
		now.After(c.NotBefore) && now.Add(renewBefore).Before(c.NotAfter)
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// writePair writes the key first: a certificate without its key is of no use, and
// the next run notices either way that the two do not belong together.
func writePair(certFile string, cert []byte, keyFile string, key []byte) error {
	if err := atomicfile.Write(keyFile, key, secretPerm); err != nil {
		return err
	}
	return atomicfile.Write(certFile, cert, publicPerm)
}
