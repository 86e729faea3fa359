package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/fleet"
	"correio/services/correio/internal/recipe"
	"correio/services/internal/journey"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/reply"
	"correio/services/internal/text"
	"correio/services/internal/tlsfiles"
	"correio/services/observatory"
)

const deploy = "../../../../deploy"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the whole lab of the repository in this process, on loopback ports.
type world struct {
	fleet *fleet.Fleet
	api   *client.Lab
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "lab"), os.DirFS(deploy)); err != nil {
		t.Fatal(err)
	}
	l, err := lab.Load(filepath.Join(dir, "lab"))
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(dir, "keys")
	if err := tlsfiles.Write(l, keys); err != nil {
		t.Fatal(err)
	}
	page, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.NewFleet(fleet.Config{
		Lab: l, State: filepath.Join(dir, "state"), Speed: 60, Net: labtest.NewStack(t), Version: "test",
		Log: labtest.Logger(t, "fleet"), Keys: keys, Listeners: observatory.Listeners{Page: []net.Listener{page}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), labtest.Eventually)
	defer cancel()
	if err := f.StartAll(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), labtest.Eventually)
		defer cancel()
		if err := f.StopAll(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := f.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(page.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	if err := api.WaitReady(ctx, 5*time.Millisecond, func(error) {}); err != nil {
		t.Fatal(err)
	}
	return &world{fleet: f, api: api}
}

// message is a mail of a person whose organisation's name tells it from others.
func message(from, to string) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: =?UTF-8?Q?ol=C3=A1?=\r\nMessage-ID: <%s.to.%s>\r\n"+
		"Date: Mon, 2 Nov 2026 10:00:00 -0300\r\n\r\nA line.\r\n.\r\n..two dots\r\n  spaces at the end  \r\n\r\nlast\r\n",
		from, to, strings.ReplaceAll(from, "@", "."), to)
}

func workstation(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return "pc." + domain
}

// deliver sends a message and waits until it is in the mailbox.
func (w *world) deliver(t *testing.T, from, to string, eml []byte) *journey.Journey {
	t.Helper()
	sent, err := w.api.Send(t.Context(), workstation(from), client.Message{From: from, To: []string{to}, EML: eml})
	if err != nil || !sent.OK {
		t.Fatalf("%s to %s: %+v, %v", from, to, sent, err)
	}
	j, err := w.api.Journey(t.Context(), sent.MessageID, "delivered", labtest.Eventually)
	if err != nil {
		t.Fatalf("%s to %s: %v; journey so far:\n%s", from, to, err, told(j))
	}
	return j
}

// told is a journey as a person reads it.
func told(j *journey.Journey) string {
	if j == nil {
		return "none"
	}
	var b strings.Builder
	if err := journey.Render(&b, *j, text.English, journey.Options{}); err != nil {
		return err.Error()
	}
	return b.String()
}

func (w *world) fetch(t *testing.T, user, tls string) []client.Mail {
	t.Helper()
	got, err := w.api.Fetch(t.Context(), workstation(user), client.Fetch{User: user, TLS: tls})
	if err != nil || !got.OK {
		t.Fatalf("fetch %s by %s: %+v, %v", user, tls, got, err)
	}
	return got.Messages
}

// TestMailBetweenEveryPairOfOrganisationsArrivesByteForByte is the lab's main
// job: by MX, over TCP 25, to the mailbox, and out again on 110 and 995.
func TestMailBetweenEveryPairOfOrganisationsArrivesByteForByte(t *testing.T) {
	w := newWorld(t)
	people := []string{"ana@aurora.test", "bruno@boreal.test", "carla@cedro.test"}
	for _, from := range people {
		for _, to := range people {
			eml := message(from, to)
			j := w.deliver(t, from, to, eml)
			if _, domain, _ := strings.Cut(to, "@"); from != to {
				chosenByMX(t, j, domain)
			}
			for i, tls := range []string{"none", "starttls", "tls"} {
				if i > 0 {
					w.deliver(t, from, to, eml)
				}
				got := w.fetch(t, to, tls)
				if len(got) != 1 || !bytes.HasSuffix(got[0].EML, eml) {
					t.Fatalf("%s to %s by %s: got %d messages, want one that ends with\n%q\n%+v", from, to, tls, len(got), eml, got)
				}
			}
		}
	}
}

// chosenByMX checks that the journey shows the MX answer, and a connection to
// port 25 of one of its hosts.
func chosenByMX(t *testing.T, j *journey.Journey, domain string) {
	t.Helper()
	asked, crossed := false, false
	for _, s := range j.Steps {
		asked = asked || s.Kind == journey.DNS && strings.Contains(s.Detail, domain+". MX")
		crossed = crossed || s.Kind == journey.SMTP && strings.HasSuffix(s.Server, "."+domain) && strings.HasSuffix(s.ServerAddr, ":25")
	}
	if !asked || !crossed {
		t.Errorf("journey to %s: MX question seen %v, TCP 25 seen %v:\n%s", domain, asked, crossed, told(j))
	}
}

func TestBackupTakesMailWhileThePrimaryIsStoppedAndHandsItOn(t *testing.T) {
	w := newWorld(t)
	if err := w.api.StopNode(t.Context(), "mx1.boreal.test"); err != nil {
		t.Fatal(err)
	}
	if state, err := w.fleet.State("mx1.boreal.test"); state != fleet.Stopped || err != nil {
		t.Fatalf("mx1 is %s, %v after it was stopped", state, err)
	}
	eml := message("ana@aurora.test", "bruno@boreal.test")
	sent, err := w.api.Send(t.Context(), "pc.aurora.test", client.Message{From: "ana@aurora.test", To: []string{"bruno@boreal.test"}, EML: eml})
	if err != nil || !sent.OK {
		t.Fatalf("send: %+v, %v", sent, err)
	}
	if host := w.crossing(t, sent.MessageID); host != "mx2.boreal.test" {
		t.Fatalf("with mx1 stopped, %s took the message, want mx2", host)
	}
	if err := w.api.StartNode(t.Context(), "mx1.boreal.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.api.Journey(t.Context(), sent.MessageID, "delivered", time.Minute); err != nil {
		t.Fatalf("after mx1 came back: %v", err)
	}
	if got := w.fetch(t, "bruno@boreal.test", "none"); len(got) != 1 || !bytes.HasSuffix(got[0].EML, eml) {
		t.Errorf("got %+v, want the message once", got)
	}
}

// crossing waits until a host has taken a message over on port 25, and returns
// its name.
func (w *world) crossing(t *testing.T, id string) string {
	t.Helper()
	deadline := time.After(labtest.Eventually)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		j, err := w.api.Journey(t.Context(), id, "", 0)
		if err != nil && !errors.Is(err, client.ErrUnseen) {
			t.Fatal(err)
		}
		if j != nil {
			for _, s := range j.Steps {
				if s.Kind == journey.SMTP && s.NextQueue != "" && !s.Report {
					return s.Server
				}
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no host took %s:\n%s", id, told(j))
		}
	}
}

// TestAZoneFileDecidesWhereMailGoes changes the MX of cedro, whose hosts share
// the load, and nothing else.
func TestAZoneFileDecidesWhereMailGoes(t *testing.T) {
	w := newWorld(t)
	zone := filepath.Join(w.fleet.Dir(), "cedro", "cedro.test.zone")
	for _, host := range []string{"mx1", "mx2"} {
		t.Run(host, func(t *testing.T) {
			prefer(t, zone, host)
			deadline := time.Now().Add(labtest.Eventually) // a TTL of 60 s is a second at speed 60
			inARow := 0
			for serial := 0; ; serial++ {
				eml := message(fmt.Sprintf("%d.%s@aurora.test", serial, host), "carla@cedro.test")
				j := w.deliver(t, "ana@aurora.test", "carla@cedro.test", eml)
				first := w.crossing(t, j.Message)
				if inARow++; first != host+".cedro.test" {
					inARow = 0
				}
				if inARow == 10 { // no accident
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("mail goes to %s, want %s:\n%s", first, host, told(j))
				}
			}
		})
	}
}

var mxRecord = regexp.MustCompile(`(?m)^(.*\bMX\s+)\d+(\s+)(mx[12])\b`)

// prefer gives one host of a zone a better preference than the other.
func prefer(t *testing.T, zone, host string) {
	t.Helper()
	text, err := os.ReadFile(zone)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	text = mxRecord.ReplaceAllFunc(text, func(line []byte) []byte {
		found++
		m := mxRecord.FindSubmatch(line)
		preference := "20"
		if string(m[3]) == host {
			preference = "10"
		}
		return slices.Concat(m[1], []byte(preference), m[2], m[3])
	})
	if found != 2 {
		t.Fatalf("%d MX records for mx1 and mx2 in %s, want 2", found, zone)
	}
	if err := os.WriteFile(zone, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEveryReplyCodeComesOnPurpose plays every recipe of the catalogue, in turn
// at each organisation's first mail server.
func TestEveryReplyCodeComesOnPurpose(t *testing.T) {
	w := newWorld(t)
	orgs := []struct{ domain, person string }{{"aurora.test", "ana"}, {"boreal.test", "bruno"}, {"cedro.test", "carla"}}
	n := 0
	for _, e := range reply.Catalogue() {
		for _, r := range e.Recipes {
			org := orgs[n%len(orgs)]
			n++
			pc, mx := "pc."+org.domain, "mx1."+org.domain
			c, err := w.api.Dial(t.Context(), pc, fmt.Sprintf("%s:%d", mx, r.Port))
			if err != nil {
				t.Fatal(err)
			}
			played, err := recipe.Play(t.Context(), c, mx, r, reply.Values{
				Me: pc, Domain: org.domain, New: fmt.Sprintf("n%d", n), Auth: reply.Plaintext(org.person, org.person),
			})
			if err != nil || !played.OK {
				t.Errorf("%s, %s: got %q, %v, want %q; %+v", mx, r.Does.In(text.English), played.Reply, err, r.Want, played.Lines)
			}
		}
	}
}

func TestNodesThatAreNotThere(t *testing.T) {
	w := newWorld(t)
	if err := w.fleet.Stop(t.Context(), "mx9.aurora.test"); !errors.Is(err, fleet.ErrUnknownNode) {
		t.Errorf("Stop: %v, want ErrUnknownNode", err)
	}
	if err := w.fleet.Start(t.Context(), "mx9.aurora.test"); !errors.Is(err, fleet.ErrUnknownNode) {
		t.Errorf("Start: %v, want ErrUnknownNode", err)
	}
	if err := w.fleet.Start(t.Context(), "mx1.aurora.test"); err != nil {
		t.Errorf("Start of a node that runs: %v, want nothing to happen", err)
	}
}

// TestAPortThatIsTakenFailsTheStartAndLeavesNothing takes a node's address.
func TestAPortThatIsTakenFailsTheStartAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	l, err := lab.Load(deploy)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlsfiles.Write(l, filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	stack := labtest.NewStack(t)
	if _, err := stack.Listen(t.Context(), netip.MustParseAddrPort("198.18.2.25:25")); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.NewFleet(fleet.Config{
		Lab: l, State: filepath.Join(dir, "state"), Net: stack, Version: "test", Log: labtest.Logger(t, "fleet"), Keys: filepath.Join(dir, "keys"),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), labtest.Eventually)
	defer cancel()
	if err = f.StartAll(ctx); err == nil {
		err = f.WaitReady(ctx)
	}
	if err == nil || !strings.Contains(err.Error(), "mx1.boreal.test") || ctx.Err() != nil {
		t.Errorf("start: %v, want an error that names the node, at once", err)
	}
	if err := f.StopAll(ctx); err != nil {
		t.Error(err)
	}
}
