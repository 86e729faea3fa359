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

// absences are the cells that a client cannot fill, by what it says then. A
// later release that has learnt it delivers like the others.
var absences = map[[2]string]struct{ why, says string }{}

// mechanisms of AUTH besides PLAIN, which the other cells use.
var mechanisms = []string{"LOGIN"}

// TestClientMatrix hands every kind of message to the lab by every client, in
// every way that client knows, and fetches it at another organisation: what
// comes out is what went in, behind the fields of its way.
func TestClientMatrix(t *testing.T) {
	needClients(t)
	l := lab{cli: os.Getenv("CORREIO_BIN"), dir: os.Getenv(labDir)}
	boxes := map[string]*mailbox{}
	for _, person := range []string{"bruno", "beatriz"} {
		boxes[person] = &mailbox{lab: l, person: person, mail: map[string][]byte{}}
	}
	for _, c := range clients {
		cell := func(name string, w way, what letter) {
			t.Run(c.name+"/"+name+"/"+what.name, func(t *testing.T) {
				t.Parallel()
				o := newOrder(t, c, w, what)
				if deliver(t, o, name) {
					checkArrived(t, o, string(boxes[o.person()].await(t, o.ehlo)))
				}
			})
		}
		for _, what := range letters {
			cell("587 STARTTLS AUTH PLAIN", submission, what)
		}
		for _, what := range []letter{plainLetter, dotLetter, latinLetter} {
			cell("25 in clear", port25, what)
		}
		cell("465 TLS", submissions, plainLetter)
		cell("589 STARTTLS", misprinted, plainLetter)
		for _, m := range mechanisms {
			w := submission
			w.mechanism = m
			cell("AUTH "+m, w, plainLetter)
		}
		t.Run(c.name+"/another authority", func(t *testing.T) {
			t.Parallel()
			anotherAuthority(t, c)
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
			missing = append(missing, c.debian)
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
		ehlo: id + ehloDomain, ca: os.Getenv("CORREIO_CA"), dir: t.TempDir(),
	}
	if o.to == "" {
		o.to = "bruno@boreal.test"
	}
	return o
}

func (o order) person() string {
	if o.letter.person != "" {
		return o.letter.person
	}
	return "bruno"
}

// deliver has the client submit, and reports whether the message was taken. Where
// the client is known not to be able to, it must fail as it is known to.
func deliver(t *testing.T, o order, cell string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := o.client.send(ctx, o)
	if err == nil {
		return true
	}
	for _, what := range []string{o.letter.name, cell} {
		if known, ok := absences[[2]string{o.client.name, what}]; ok && strings.Contains(said+err.Error(), known.says) {
			t.Logf("absent: %s", known.why)
			return false
		}
	}
	t.Fatalf("%s failed: %v\n%.4000s", o.client.name, err, said)
	return false
}

// anotherAuthority proves that verification is on: a client that trusts somebody
// else does not say a word after STARTTLS.
func anotherAuthority(t *testing.T, c *client) {
	o := newOrder(t, c, submission, plainLetter)
	o.ca = strangersCA(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := c.send(ctx, o)
	if err == nil || !strings.Contains(strings.ToLower(said+err.Error()), "certificate") {
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
