// Package tlsfiles makes and reads the lab's secrets: a certificate authority of
// the lab's own, a certificate for every host that speaks TLS, and the token that
// control ports ask for.
//
// Write lays them out below one folder, a folder for each site, so that a site's
// nodes can be given theirs and nobody else's:
//
//	OUT/ca/            ca.pem ca.key    the authority; no node reads this
//	OUT/SITE/          token ca.pem     for every site of the lab
//	                   HOST.pem HOST.key    for its MTAs and its MDA
//	OUT/observatory/   token ca.pem
//
// It keeps what is still good and replaces the rest: a second run changes nothing.
// Every file is replaced as a whole and synced (package atomicfile); a run that was
// interrupted is completed by the next. The authority may sign for the lab's names
// and addresses alone (RFC 5280 §4.2.1.10), so that somebody who lets a mail program
// trust it risks nothing on the real Internet.
package tlsfiles

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"correio/services/internal/atomicfile"
	"correio/services/internal/lab"
)

// Names of the files and folders that Write makes besides HOST.pem and HOST.key.
const (
	CAFile         = "ca.pem"
	TokenFile      = "token"
	AuthorityDir   = "ca"
	ObservatoryDir = "observatory"
	caKeyFile      = "ca.key"
)

const (
	secretPerm = 0o600
	publicPerm = 0o644
	dirPerm    = 0o700
	tokenBytes = 32
)

// Write makes the secrets of a lab below out, which is created if need be.
func Write(l *lab.Lab, out string) error { return write(l, out, time.Now()) }

func write(l *lab.Lab, out string, now time.Time) error {
	ca, err := ensureAuthority(filepath.Join(out, AuthorityDir), l, now)
	if err != nil {
		return fmt.Errorf("make the lab's certificate authority: %w", err)
	}
	token, err := ensureToken(filepath.Join(out, ObservatoryDir))
	if err != nil {
		return fmt.Errorf("make the lab's token: %w", err)
	}
	if err := share(filepath.Join(out, ObservatoryDir), token, ca); err != nil {
		return err
	}
	for _, org := range l.Orgs {
		dir := filepath.Join(out, filepath.Base(org.Dir))
		if err := share(dir, token, ca); err != nil {
			return err
		}
		for _, h := range org.Hosts {
			if h.Role != lab.RoleMTA && h.Role != lab.RoleMDA {
				continue
			}
			if err := ca.ensureHost(dir, namesOf(org, h), now); err != nil {
				return fmt.Errorf("make the certificate of %s: %w", h.Name, err)
			}
		}
	}
	return nil
}

// share gives a site the token and the authority's certificate.
func share(dir, token string, ca *authority) error {
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return fmt.Errorf("make the folder of a site's keys: %w", err)
	}
	if err := replace(filepath.Join(dir, TokenFile), []byte(token+"\n"), secretPerm); err != nil {
		return err
	}
	return replace(filepath.Join(dir, CAFile), ca.pem, publicPerm)
}

// replace writes a file unless it has that content already.
func replace(path string, data []byte, perm fs.FileMode) error {
	old, err := os.ReadFile(path)
	if err == nil && string(old) == string(data) {
		return nil
	}
	return atomicfile.Write(path, data, perm)
}

func ensureToken(dir string) (string, error) {
	token, err := readToken(dir)
	if err == nil {
		return token, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errToken) {
		return "", err
	}
	secret := make([]byte, tokenBytes)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	return hex.EncodeToString(secret), nil
}

var errToken = errors.New("not a token of 64 hexadecimal digits")

func readToken(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, TokenFile))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	if b, err := hex.DecodeString(token); err != nil || len(b) != tokenBytes {
		return "", fmt.Errorf("%s: %w", filepath.Join(dir, TokenFile), errToken)
	}
	return token, nil
}

// Load reads what a node needs from its site's folder: its certificate, nil when
// there is none for that host; the authority to trust; the token of control ports.
func Load(dir, host string) (cert *tls.Certificate, roots *x509.CertPool, token string, err error) {
	if token, err = readToken(dir); err != nil {
		return nil, nil, "", fmt.Errorf("read the lab's token: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the lab's certificate authority: %w", err)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, nil, "", fmt.Errorf("read the lab's certificate authority: no certificate in %s", filepath.Join(dir, CAFile))
	}
	pair, err := tls.LoadX509KeyPair(hostFiles(dir, host))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, roots, token, nil
	case err != nil:
		return nil, nil, "", fmt.Errorf("read the certificate of %s: %w", host, err)
	}
	return &pair, roots, token, nil
}

// hostFiles returns where the certificate and the key of a host are.
func hostFiles(dir, host string) (cert, key string) {
	return filepath.Join(dir, host+".pem"), filepath.Join(dir, host+".key")
}
