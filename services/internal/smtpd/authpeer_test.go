package smtpd_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
)

func tlsClient(c net.Conn) net.Conn { return tls.Client(c, clientTLS()) }

// certFile writes the test's certificate where other programs can read it.
func certFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: testTLS().Certificates[0].Certificate[0]}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// program finds a program that may not be on every machine.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s here", name)
	}
	return path
}

// submission serves what the programs below submit to.
func submission(t *testing.T, mechanism string) (m *memory, host, port string) {
	t.Helper()
	m = &memory{}
	host, port, err := net.SplitHostPort(serve(t, smtpd.Config{Proto: smtpd.Submission, TLS: testTLS(), Backend: m,
		AuthMechanisms: []string{mechanism}, RequireTLSForAuth: true, RequireAuth: true}))
	if err != nil {
		t.Fatal(err)
	}
	return m, host, port
}

// smtplib logs in wrongly, then rightly, and sends. The certificate's name is
// checked against the host's by a server name of its own.
const smtplib = `
import smtplib, ssl, sys
host, port, ca, mechanism = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
s = smtplib.SMTP(host, int(port), timeout=20)
s.starttls(context=context)
s.ehlo()
assert s.esmtp_features["auth"].split() == [mechanism], s.esmtp_features
try:
    s.login("ana", "bob")
    sys.exit("a wrong password was taken")
except smtplib.SMTPAuthenticationError as e:
    assert e.smtp_code == 535, e
for initial in (True, False):
    s.login("ana", "ana", initial_response_ok=initial)
    s.sendmail("ana@aurora.test", ["bruno@boreal.test"], "Subject: x\r\n\r\nx\r\n")
    s.quit()
    s = smtplib.SMTP(host, int(port), timeout=20)
    s.starttls(context=context)
s.quit()
`

func TestAuthPeer_PythonSmtplib(t *testing.T) {
	t.Parallel()
	python := program(t, "python3")
	for _, mechanism := range []string{sasl.Plain, sasl.Login, sasl.CRAMMD5} { // it knows no SCRAM
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			m, host, port := submission(t, mechanism)
			out, err := exec.CommandContext(t.Context(), python, "-c", smtplib, host, port, certFile(t), mechanism).CombinedOutput()
			if got := m.stored(); err != nil || len(got) != 2 || got[0].t.User != "ana" {
				t.Errorf("%v, %d messages\n%s", err, len(got), out)
			}
		})
	}
}

// msmtp has its mechanisms from GNU SASL.
func TestAuthPeer_Msmtp(t *testing.T) {
	t.Parallel()
	msmtp := program(t, "msmtp")
	features, err := exec.CommandContext(t.Context(), msmtp, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range sasl.Mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(string(features), strings.ToLower(mechanism)) {
				t.Skipf("no %s in this msmtp", mechanism)
			}
			m, host, port := submission(t, mechanism)
			for password, want := range map[string]int{"bob": 0, "ana": 1} {
				cmd := exec.CommandContext(t.Context(), msmtp, "--file=/dev/null", "--host="+host, "--port="+port, "--timeout=20",
					"--tls=on", "--tls-starttls=on", "--tls-trust-file="+certFile(t), "--tls-host-override=mx1.boreal.test",
					"--auth="+strings.ToLower(mechanism), "--user=ana", "--passwordeval=echo "+password,
					"--from=ana@aurora.test", "--", "bruno@boreal.test")
				cmd.Stdin = strings.NewReader("Subject: x\r\n\r\nx\r\n")
				before := len(m.stored())
				out, err := cmd.CombinedOutput()
				if got := len(m.stored()) - before; got != want || (err == nil) != (want == 1) {
					t.Errorf("password %s: %v, %d messages\n%s", password, err, got, out)
				}
			}
		})
	}
}

func TestAuthPeer_Curl(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	for _, mechanism := range []string{sasl.Plain, sasl.Login, sasl.CRAMMD5} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			m, _, port := submission(t, mechanism)
			for password, want := range map[string]int{"bob": 0, "ana": 1} {
				cmd := exec.CommandContext(t.Context(), curl, "--silent", "--show-error", "--max-time", "20", "--ssl-reqd", "--cacert", certFile(t),
					"--resolve", "mx1.boreal.test:"+port+":127.0.0.1", "--login-options", "AUTH="+mechanism, "--user", "ana:"+password,
					"--mail-from", "ana@aurora.test", "--mail-rcpt", "bruno@boreal.test", "--upload-file", "-",
					fmt.Sprintf("smtp://mx1.boreal.test:%s/pc.aurora.test", port))
				cmd.Stdin = strings.NewReader("Subject: x\r\n\r\nx\r\n")
				before := len(m.stored())
				out, err := cmd.CombinedOutput()
				if got := len(m.stored()) - before; got != want || (err == nil) != (want == 1) {
					t.Errorf("password %s: %v, %d messages\n%s", password, err, got, out)
				}
			}
		})
	}
}
