// Package run holds the end-to-end suite of `correio run`: the same scenarios as in ../compose, in one process and
// without Docker, so that they are fast.
//
// The suite runs inside the lab: TestMain starts this test binary again by `correio run -- BINARY ARGS`, and the tests
// reach every host by its lab address and every name by the lab's resolver, as any program inside would. The command
// is the one that the environment variable CORREIO_BIN names (../../.cache/bin/correio by default).
package run

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	inside = "CORREIO_E2E_INSIDE" // marks the second start, the one inside the lab
	labDir = "CORREIO_E2E_DIR"    // the lab directory of that lab
	speed  = "10"                 // TTLs and retries take a tenth of their time
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(inside) != "" || flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(enter())
}

// enter runs this binary inside the lab and returns its exit status.
func enter() int {
	self, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	cli, err := command()
	if err != nil {
		return failed(err)
	}
	dir, err := os.MkdirTemp("", "correio-e2e-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "deploy"))); err != nil {
		return failed(err)
	}
	cmd := exec.Command(cli, append([]string{"run", "--speed", speed, "--dir", dir, "--", self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inside+"=1", labDir+"="+dir, "CORREIO_BIN="+cli)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return failed(err)
	}
	return 0
}

// command is the path of correio.
func command() (string, error) {
	if path := os.Getenv("CORREIO_BIN"); path != "" {
		return path, nil
	}
	path, err := filepath.Abs(filepath.Join("..", "..", ".cache", "bin", "correio"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the command is not built (scripts/up --build-only builds it): %w", err)
	}
	return path, nil
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "e2e/run:", err)
	return 1
}
