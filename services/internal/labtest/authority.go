package labtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"
)

// authority is the stack's certificate authority, made when it is first asked.
type authority struct {
	once sync.Once
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// Roots returns a pool that holds the stack's certificate authority.
func (s *Stack) Roots() *x509.CertPool {
	s.ca.once.Do(s.makeAuthority)
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	return pool
}

// Certificate returns a server's certificate for names and addresses, signed
// by the stack's authority.
func (s *Stack) Certificate(names ...string) *tls.Certificate {
	s.ca.once.Do(s.makeAuthority)
	template := template(names[0])
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	key := s.newKey()
	leaf := s.sign(template, s.ca.cert, key, s.ca.key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func (s *Stack) makeAuthority() {
	template := template("labtest")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	s.ca.key = s.newKey()
	s.ca.cert = s.sign(template, template, s.ca.key, s.ca.key)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func (s *Stack) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatalf("make a key: %v", err)
	}
	return key
}

func (s *Stack) sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		s.t.Fatalf("sign a certificate: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatalf("read the certificate back: %v", err)
	}
	return cert
}
