package tlsfiles

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"correio/services/internal/lab"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testLab() *lab.Lab {
	return &lab.Lab{Name: "test lab", Orgs: []*lab.Org{
		{Dir: "deploy/root", Hosts: []lab.Host{{Name: "a.root-servers.test", Role: lab.RoleDNS}}},
		{
			Dir: "deploy/aurora", Domain: "aurora.test",
			Networks: lab.Networks{Internet: netip.MustParsePrefix("198.18.0.0/16"), LAN: netip.MustParsePrefix("198.19.1.0/24")},
			Hosts: []lab.Host{
				{Name: "mx1.aurora.test", Role: lab.RoleMTA, Internet: netip.MustParseAddr("198.18.1.25"), LAN: netip.MustParseAddr("198.19.1.25")},
				{Name: "mda.aurora.test", Role: lab.RoleMDA, LAN: netip.MustParseAddr("198.19.1.110")},
				{Name: "pc.aurora.test", Role: lab.RolePC, LAN: netip.MustParseAddr("198.19.1.100")},
			},
		},
	}}
}

// snapshot maps each file below dir to its mode and content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = fmt.Sprintf("%v %s", info.Mode().Perm(), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func mustWrite(t *testing.T, l *lab.Lab, out string, at time.Time) map[string]string {
	t.Helper()
	if err := write(l, out, at); err != nil {
		t.Fatal(err)
	}
	return snapshot(t, out)
}

func TestWriteGivesEachSiteItsOwnFilesAndASecondRunChangesNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "keys")
	first := mustWrite(t, testLab(), out, now)
	want := []string{
		"aurora/ca.pem", "aurora/mda.aurora.test.key", "aurora/mda.aurora.test.pem",
		"aurora/mx1.aurora.test.key", "aurora/mx1.aurora.test.pem", "aurora/token",
		"ca/ca.key", "ca/ca.pem", "observatory/ca.pem", "observatory/token", "root/ca.pem", "root/token",
	}
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	for name, file := range first {
		secret := strings.HasSuffix(name, ".key") || strings.HasSuffix(name, "token")
		if want := map[bool]string{true: "-rw------- ", false: "-rw-r--r-- "}[secret]; !strings.HasPrefix(file, want) {
			t.Errorf("%s has mode %.10s, want %s", name, file, want)
		}
	}
	if second := mustWrite(t, testLab(), out, now.Add(time.Hour)); !maps.Equal(first, second) {
		t.Error("a second run changed files")
	}
}

func TestWriteReplacesWhatIsNoLongerGood(t *testing.T) {
	const all = "aurora/ca.pem aurora/mda.aurora.test.key aurora/mda.aurora.test.pem aurora/mx1.aurora.test.key " +
		"aurora/mx1.aurora.test.pem ca/ca.key ca/ca.pem observatory/ca.pem root/ca.pem"
	const mx1 = "aurora/mx1.aurora.test.key aurora/mx1.aurora.test.pem"
	remove := func(name string) func(*testing.T, string, *lab.Lab) {
		return func(t *testing.T, out string, _ *lab.Lab) {
			if err := os.Remove(filepath.Join(out, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	spoil := func(name string) func(*testing.T, string, *lab.Lab) {
		return func(t *testing.T, out string, _ *lab.Lab) {
			if err := os.WriteFile(filepath.Join(out, name), []byte("cut sho"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		change func(*testing.T, string, *lab.Lab)
		later  time.Duration
		want   string // files that differ afterwards
	}{
		{"key lost", remove("aurora/mx1.aurora.test.key"), 0, mx1},
		{"certificate cut short", spoil("aurora/mx1.aurora.test.pem"), 0, mx1},
		{"authority's key cut short", spoil("ca/ca.key"), 0, all},
		{"token cut short", spoil("observatory/token"), 0, "aurora/token observatory/token root/token"},
		{"a site's token lost comes back the same", remove("aurora/token"), 0, ""},
		{"host's certificates near their end", nil, hostLife - time.Hour, "aurora/mda.aurora.test.key aurora/mda.aurora.test.pem " + mx1},
		{"authority near its end", nil, authorityLife - time.Hour, all},
		{"address changed", func(_ *testing.T, _ string, l *lab.Lab) {
			l.Orgs[1].Hosts[0].Internet = netip.MustParseAddr("198.18.1.35")
		}, 0, mx1},
		{"host under another top-level domain", func(_ *testing.T, _ string, l *lab.Lab) {
			l.Orgs[0].Hosts[0].Name = "a.root-servers.example"
		}, 0, all},
		{"new network beside the lab's range", func(_ *testing.T, _ string, l *lab.Lab) {
			l.Orgs[0].Networks.LAN = netip.MustParsePrefix("10.7.0.0/24")
		}, 0, all},
		{"new network within the lab's range", func(_ *testing.T, _ string, l *lab.Lab) {
			l.Orgs[0].Networks.LAN = netip.MustParsePrefix("198.19.9.0/24")
		}, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, l := t.TempDir(), testLab()
			before := mustWrite(t, l, out, now)
			if tt.change != nil {
				tt.change(t, out, l)
			}
			after := mustWrite(t, l, out, now.Add(tt.later))
			var changed []string
			for _, name := range slices.Sorted(maps.Keys(after)) {
				if after[name] != before[name] {
					changed = append(changed, name)
				}
			}
			if got := strings.Join(changed, " "); got != tt.want {
				t.Errorf("changed: %s\nwant:    %s", got, tt.want)
			}
		})
	}
}

func TestLoadGivesCertificatesThatStandForEveryNameOfTheHost(t *testing.T) {
	out := t.TempDir()
	mustWrite(t, testLab(), out, time.Now())
	tests := []struct{ host, names string }{
		{"mx1.aurora.test", "mx1.aurora.test smtp.aurora.test localhost 127.0.0.1 198.18.1.25 198.19.1.25"},
		{"mda.aurora.test", "mda.aurora.test pop.aurora.test imap.aurora.test localhost 127.0.0.1 198.19.1.110"},
	}
	for _, tt := range tests {
		cert, roots, token, err := Load(filepath.Join(out, "aurora"), tt.host)
		if err != nil || cert == nil || len(token) != 64 {
			t.Fatalf("Load(%s) = %v, token %q, %v", tt.host, cert, token, err)
		}
		for name := range strings.FieldsSeq(tt.names) {
			if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
				t.Errorf("certificate of %s for %s: %v", tt.host, name, err)
			}
		}
	}
}

func TestTheAuthorityCannotSignForTheRealInternet(t *testing.T) {
	out := t.TempDir()
	l := testLab()
	mustWrite(t, l, out, time.Now())
	ca, err := readAuthority(filepath.Join(out, AuthorityDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"www.example.com", "test.example.com"} {
		if err := ca.ensureHost(out, subject{host: name, names: []string{name}}, time.Now()); err != nil {
			t.Fatal(err)
		}
		cert, roots, _, err := Load(filepath.Join(out, "observatory"), "")
		if cert != nil || err != nil {
			t.Fatalf("Load(observatory) = %v, %v, want no certificate", cert, err)
		}
		pair, err := os.ReadFile(filepath.Join(out, name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		leaf := parse(t, pair)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err == nil {
			t.Errorf("a certificate for %s is accepted", name)
		}
	}
}

func TestLoadSaysWhatIsMissing(t *testing.T) {
	tests := []struct{ name, remove, content, want string }{
		{"no token", "token", "", "token"},
		{"bad token", "token", "abc", "64 hexadecimal"},
		{"no authority", "ca.pem", "", "authority"},
		{"bad authority", "ca.pem", "abc", "no certificate"},
		{"bad certificate", "mx1.aurora.test.pem", "abc", "certificate of mx1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := t.TempDir()
			mustWrite(t, testLab(), out, now)
			path := filepath.Join(out, "aurora", tt.remove)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if tt.content != "" {
				if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, _, err := Load(filepath.Join(out, "aurora"), "mx1.aurora.test"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func parse(t *testing.T, data []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
