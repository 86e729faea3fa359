package run

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// absence is why a client does not fill a cell: a fact about the client.
type absence struct {
	why  string
	says string // what it says then
	// unsaid is what it does not say, where says alone might be the server's
	// fault.
	unsaid string
}

// absences are by client, and letter or mechanism. They are tried all the same:
// a client must fail as it is known to, and a later release that has learnt it
// delivers like the others.
var absences = map[[2]string]absence{
	{"swaks", "SMTPUTF8"}:        {why: "swaks 20201014.0 has no option that adds SMTPUTF8 to MAIL", says: "553 5.6.7"},
	{"msmtp", "SMTPUTF8"}:        {why: "msmtp 1.8.23 never says SMTPUTF8", says: "553 5.6.7"},
	{"smtplib", "SCRAM-SHA-256"}: {why: "smtplib of Python 3.11 has no SCRAM", says: "no attribute 'auth_scram_sha_256'"},
	{"swaks", "SCRAM-SHA-256"}:   {why: "swaks 20201014.0 has no SCRAM", says: "SCRAM-SHA-256 is not a recognized auth type"},
	{"curl", "SCRAM-SHA-256"}:    {why: "curl 7.88.1 of Debian is built without libgsasl", says: "curl: (67)", unsaid: "> AUTH "},
}

// mechanisms of AUTH.
var mechanisms = []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"}

// TestClientMatrix hands every kind of message to the lab by every client, in
// every way that client knows, and fetches it at another organisation: what
// comes out is what went in, behind the fields of its way.
func TestClientMatrix(t *testing.T) {
	needClients(t)
	l := lab{cli: os.Getenv("CORREIO_BIN"), dir: os.Getenv(labDir)}
	bruno := &mailbox{lab: l, mail: map[string][]byte{}}
	for _, c := range clients {
		cell := func(name string, w way, what letter) {
			t.Run(c.name+"/"+name+"/"+what.name, func(t *testing.T) {
				t.Parallel()
				o := newOrder(t, c, w, what)
				if deliver(t, o) {
					checkArrived(t, o, string(bruno.await(t, o.ehlo)))
				}
			})
		}
		for _, what := range letters {
			cell("587 STARTTLS AUTH PLAIN", submission, what)
		}
		for _, what := range []letter{plainLetter, dotLetter, latinLetter, utf8Letter} {
			cell("25 in clear", port25, what)
		}
		cell("465 TLS", submissions, plainLetter)
		cell("589 STARTTLS", misprinted, plainLetter)
		for _, m := range mechanisms {
			w := submission
			w.mechanism = m
			cell("AUTH "+m, w, plainLetter)
			t.Run(c.name+"/AUTH "+m+"/wrong password", func(t *testing.T) {
				t.Parallel()
				wrongPassword(t, newOrder(t, c, w, plainLetter))
			})
		}
		t.Run(c.name+"/587 STARTTLS/another authority", func(t *testing.T) {
			t.Parallel()
			anotherAuthority(t, newOrder(t, c, submission, plainLetter))
		})
	}
}

// needClients fails, rather than skips, where a program is missing: what is not
// tried is not known to work.
func needClients(t *testing.T) {
	t.Helper()
	var missing []string
	for _, c := range clients {
		if _, err := exec.LookPath(c.needs); c.needs != "" && err != nil {
			missing = append(missing, c.needs)
		}
	}
	if missing != nil {
		t.Fatalf("missing: %[1]s. The matrix needs each client (Debian: apt-get install %[1]s; as root, ./scripts/test e2e-run does it)",
			strings.Join(missing, " "))
	}
}

func newOrder(t *testing.T, c *client, w way, what letter) order {
	t.Helper()
	id := strings.ToLower(rand.Text())
	o := order{
		client: c, way: w, letter: what, text: strings.ReplaceAll(what.text, "%ID%", id), to: what.to,
		password: user, ehlo: id + ehloDomain, ca: os.Getenv("CORREIO_CA"), dir: t.TempDir(),
	}
	if o.to == "" {
		o.to = "bruno@boreal.test"
	}
	return o
}

// deliver has the client submit, and reports whether the message was taken. Where
// the client is known not to be able to, it must fail as it is known to.
func deliver(t *testing.T, o order) bool {
	t.Helper()
	said, err := submit(t, o)
	if err != nil && !isAbsent(t, o, said) {
		t.Fatalf("%s failed: %v\n%.4000s", o.client.name, err, said)
	}
	return err == nil
}

// submit returns all that the client said.
func submit(t *testing.T, o order) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	said, err := o.client.send(ctx, o)
	if err != nil {
		said += "\n" + err.Error()
	}
	return said, err
}

func isAbsent(t *testing.T, o order, said string) bool {
	t.Helper()
	for _, what := range []string{o.letter.name, o.way.mechanism} {
		if known, ok := absences[[2]string{o.client.name, what}]; ok && known.fits(said) {
			t.Logf("absent: %s", known.why)
			return true
		}
	}
	return false
}

func (a absence) fits(said string) bool {
	return strings.Contains(said, a.says) && (a.unsaid == "" || !strings.Contains(said, a.unsaid))
}

// wrongPassword proves that the mechanism asks for the right one.
func wrongPassword(t *testing.T, o order) {
	o.password = "wrong"
	if said, err := submit(t, o); err == nil || !strings.Contains(said, "535") && !isAbsent(t, o, said) {
		t.Fatalf("with a wrong password: %v, want 535\n%.4000s", err, said)
	}
}

// anotherAuthority proves that verification is on: a client that trusts somebody
// else does not say a word after STARTTLS.
func anotherAuthority(t *testing.T, o order) {
	o.ca = strangersCA(t)
	if said, err := submit(t, o); err == nil || !strings.Contains(strings.ToLower(said), "certificate") {
		t.Fatalf("with a stranger's authority: %v, want it to refuse the certificate\n%.4000s", err, said)
	}
}

// strangersCA writes a certificate authority that signed nothing here.
func strangersCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "stranger.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
