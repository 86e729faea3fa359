package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// ownLab is a lab for one test alone, which breaks it or needs another speed.
// It keeps its state in a directory, and runs beside the lab of all other tests.
type ownLab struct {
	test  string // the name of the test
	speed string
	zone  string // added to the zone casos.test
	// aurora is added to Aurora's org.yaml.
	aurora string
}

// ownLabs are all of them. A test without its name here would run in the lab of
// the others; a name without a test fails.
var ownLabs = []ownLab{
	{test: "TestAdversityFullDiskOfAnMTA", speed: "60"},
	{test: "TestAdversityFullDiskOfAnMDA", speed: "60"},
	{test: "TestAdversityResolverDown", speed: "60"},
	{test: "TestAdversityPeersThatFailInEveryState", speed: "60", zone: peerZone(everyState)},
	{test: "TestAdversityPeerThatVanishesAtRandom", speed: "60", zone: peerZone([]peerCase{randomPeer})},
	{test: "TestAdversitySlowPeerHoldsUpItsOwnMailOnly", speed: "60", zone: peerZone([]peerCase{slowPeer})},
	{test: "TestSpeedOfAClosedHost", speed: "3600"},
	{test: "TestTLSThatIsDemanded", speed: "1", zone: peerZone([]peerCase{clearPeer}), aurora: "smtp: {tls: verify}"},
}

// leaveOut skips the tests of own labs, without a word, in the lab of the others.
func leaveOut(labs []ownLab) error {
	names := make([]string, len(labs))
	for i, l := range labs {
		names[i] = l.test
	}
	skip := "^(" + strings.Join(names, "|") + ")$"
	if also := flag.Lookup("test.skip").Value.String(); also != "" {
		skip += "|" + also
	}
	return flag.Set("test.skip", skip)
}

// chosenLabs are those whose tests -run and -skip let run.
func chosenLabs() ([]ownLab, error) {
	pattern := func(name, otherwise string) (*regexp.Regexp, error) {
		first, _, _ := strings.Cut(flag.Lookup(name).Value.String(), "/")
		if first == "" {
			first = otherwise
		}
		return regexp.Compile(first)
	}
	run, err := pattern("test.run", "")
	if err != nil {
		return nil, err
	}
	skip, err := pattern("test.skip", "^$")
	if err != nil {
		return nil, err
	}
	var chosen []ownLab
	for _, l := range ownLabs {
		if run.MatchString(l.test) && !skip.MatchString(l.test) {
			chosen = append(chosen, l)
		}
	}
	return chosen, nil
}

// enter runs the test inside its lab, and returns the exit status. What it says
// is shown when it fails, or with -v.
func (l ownLab) enter(cli string) int {
	dir, err := os.MkdirTemp("", "correio-e2e-own-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(dir)
	deploy, state := filepath.Join(dir, "lab"), filepath.Join(dir, "state")
	if err := l.write(deploy); err != nil {
		return failed(err)
	}
	self, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	cmd := exec.Command(cli, "run", "--speed", l.speed, "--dir", deploy, "--state", state, "--",
		self, "-test.run=^"+l.test+"$", "-test.v", "-test.timeout="+flag.Lookup("test.timeout").Value.String())
	cmd.Env = append(os.Environ(), inside+"="+l.test, labDir+"="+deploy, labState+"="+state, "CORREIO_BIN="+cli)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	code := status(cmd.Run())
	if code == 0 && !strings.Contains(said.String(), "--- PASS: "+l.test+" ") {
		fmt.Fprintf(&said, "there is no test %s\n", l.test)
		code = 1
	}
	if code != 0 || testing.Verbose() {
		os.Stdout.Write(said.Bytes())
	}
	return code
}

// write makes the lab directory.
func (l ownLab) write(dir string) error {
	if err := copyLab(dir); err != nil {
		return err
	}
	return errors.Join(appendTo(filepath.Join(dir, "casos", "casos.test.zone"), l.zone), appendTo(filepath.Join(dir, "aurora", "org.yaml"), l.aurora+"\n"))
}

func appendTo(name, text string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// own is the lab around a test that has one of its own.
type own struct {
	lab
	t *testing.T
}

func ownLabOf(t *testing.T) own {
	t.Helper()
	if os.Getenv(inside) != t.Name() {
		t.Fatalf("not in a lab of its own: %s is not in ownLabs", t.Name())
	}
	return own{lab{cli: os.Getenv("CORREIO_BIN"), dir: os.Getenv(labDir)}, t}
}

// state is the directory in which a node keeps its state.
func (o own) state(node string) string { return filepath.Join(os.Getenv(labState), "nodes", node) }

// correio runs a verb that must succeed.
func (o own) correio(args ...string) string {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	out, talk, code := o.CLI(ctx, args...)
	if code != 0 {
		o.t.Fatalf("correio %s: exit %d\n%s%s", strings.Join(args, " "), code, out, talk)
	}
	return out
}

// waiting is one message of a node's queue.
type waiting struct {
	ID        string `json:"id"`
	MessageID string `json:"message_id"`
	State     string `json:"state"`
	Attempts  int    `json:"attempts"`
	LastReply string `json:"last_reply"`
}

// queue lists what a node has queued; of more than 10,000 messages the first.
func (o own) queue(node string) []waiting {
	o.t.Helper()
	var list struct {
		Messages []waiting `json:"messages"`
	}
	o.control(node, "queue?limit=10000", &list)
	return list.Messages
}

// logged reports whether a node has written a message to the lab's log.
func (o own) logged(node, message string) bool {
	o.t.Helper()
	log, err := os.ReadFile(filepath.Join(os.Getenv(labState), "nodes.log"))
	if err != nil {
		o.t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		var entry struct{ Msg, Node string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == message && entry.Node == node {
			return true
		}
	}
	return false
}

// control reads JSON from a node's control port, by way of the lab's page.
func (o own) control(node, path string, into any) {
	o.t.Helper()
	resp := o.open(o.t.Context(), node, path)
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		o.t.Fatalf("%s /%s: %v in %.500s", node, path, err, body)
	}
}

func (o own) open(ctx context.Context, node, path string) *http.Response {
	o.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("CORREIO_LAB")+"/api/v1/nodes/"+node+"/control/"+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		o.t.Fatalf("%s /%s: %s", node, path, resp.Status)
	}
	return resp
}

// await asks until it is told true.
func (o own) await(what string, patience time.Duration, ask func() bool) {
	o.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		if time.Now().After(deadline) {
			o.t.Fatalf("waited %v in vain for: %s", patience, what)
		}
		<-tick.C
	}
}
