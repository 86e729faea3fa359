package compose

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"correio/services/internal/text"
)

func TestServes(t *testing.T) {
	for version, want := range map[string]bool{
		"1.29.2\n": true, "1.28.6": false, "v2.40.3": true, "5.6.0": true, "": false, "dev": false,
	} {
		if got := serves(version); got != want {
			t.Errorf("serves(%q) = %v, want %v", version, got, want)
		}
	}
}

// TestEveryNodeOfTheLabHasAService reads the repository's own Compose file.
func TestEveryNodeOfTheLabHasAService(t *testing.T) {
	dir, err := Find(".")
	if err != nil {
		t.Fatal(err)
	}
	p := &Project{Dir: dir}
	for node, want := range map[string]string{
		"mx1.aurora.test": "aurora-mx1", "MX2.boreal.test": "boreal-mx2", "a.root-servers.test": "root",
		"ns.nic.test": "tld", "observatory.nic.test": "observatory",
	} {
		if got, err := p.Service(node); err != nil || got != want {
			t.Errorf("Service(%q) = %q, %v, want %q", node, got, err, want)
		}
	}
	_, err = p.Service("mx9.aurora.test")
	if err == nil || !strings.Contains(err.Error(), "mx1.aurora.test") {
		t.Errorf("Service of a node that is not there: %v, want the list of those that are", err)
	}
}

// fake writes programs that stand for docker and its Compose, and returns the
// PATH that has them alone.
func fake(t *testing.T, programs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestOpenFindsCompose(t *testing.T) {
	const old, new1, v5 = "echo 1.21.0", "echo 1.29.2", `test "$1 $2" = "compose version" && echo 5.6.0`
	tests := []struct {
		name     string
		programs map[string]string
		env      string
		want     string // the command; "" for an error
	}{
		{"the plugin first", map[string]string{"docker": v5, "docker-compose": new1}, "", "docker compose"},
		{"docker-compose when there is no plugin", map[string]string{"docker": "exit 1", "docker-compose": new1}, "", "docker-compose"},
		{"one that is too old", map[string]string{"docker-compose": old}, "", ""},
		{"nothing", nil, "", ""},
		{"as named", map[string]string{"my-compose": new1, "docker": v5}, "my-compose", "my-compose"},
		{"as named, which is not there", map[string]string{"docker": v5}, "my-compose", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake(t, tt.programs)
			p, err := Open(t.Context(), ".", func(string) string { return tt.env }, nil, nil)
			switch {
			case tt.want == "" && err == nil:
				t.Errorf("Open found %v, want an error", p.Command)
			case tt.want == "":
				oneLine(t, err)
			case err != nil || strings.Join(p.Command, " ") != tt.want:
				t.Errorf("Open = %+v, %v, want %s", p, err, tt.want)
			}
		})
	}
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	var speaks *text.Error
	if !errors.As(err, &speaks) {
		t.Fatalf("%T: %v: want a text in both languages", err, err)
	}
	for _, lang := range text.Langs {
		if said := speaks.In(lang); strings.Contains(said, "\n") {
			t.Errorf("%s: %q, want one line", lang, said)
		}
	}
}

func TestPreflightSaysWhatIsMissing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	const engine = `case "$1" in version) echo 20.10;; image) exit 1;; esac`
	const ready = `case "$1" in version) echo 20.10;; image) echo sha256:1;; ps) ;; esac`
	const up = `case "$1" in version) echo 20.10;; image) echo sha256:1;; ps) echo 0123456789ab;; esac`
	tests := []struct {
		name, docker string
		page         int
		users        []int
		want         string // "" for success
	}{
		{"no engine", "echo 'Cannot connect to the Docker daemon' >&2; exit 1", 0, nil, "Cannot connect to the Docker daemon"},
		{"no image", engine, 0, nil, "./scripts/up"},
		{"page's port taken", ready, port, nil, "LAB_HTTP_PORT"},
		{"user port taken", ready, 0, []int{port}, "deploy/lab.yaml"},
		{"taken by the lab itself", up, port, []int{port}, ""},
		{"all well", ready, 0, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake(t, map[string]string{"docker": tt.docker})
			p := &Project{Getenv: func(string) string { return "" }}
			err := p.Preflight(context.Background(), tt.page, tt.users)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Preflight: %v, want success", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Preflight: %v, want it to say %q", err, tt.want)
			case tt.want != "":
				oneLine(t, err)
			}
		})
	}
}
