// Package run holds the end-to-end suite of `correio run`: the same scenarios as in ../compose, in one process and
// without Docker, so that they are fast; and what a lab must bear (TestAdversity…), each in a lab of its own.
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
	"sync"
	"testing"
)

const (
	inside   = "CORREIO_E2E_INSIDE" // marks the second start, the one inside a lab: which
	labDir   = "CORREIO_E2E_DIR"    // the lab directory of that lab
	labState = "CORREIO_E2E_STATE"  // where it keeps its state; "" for the lab of all tests
	shared   = "1"                  // of inside: the lab of all tests but those of ownLabs
	speed    = "10"                 // TTLs and retries take a tenth of their time
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" || os.Getenv(inside) != "" && os.Getenv(inside) != shared {
		os.Exit(m.Run())
	}
	if os.Getenv(inside) == shared {
		if err := leaveOut(ownLabs); err != nil {
			os.Exit(failed(err))
		}
		os.Exit(m.Run())
	}
	os.Exit(enterAll())
}

// enterAll runs this binary in all labs at the same time, and returns the exit status.
func enterAll() int {
	cli, err := command()
	if err != nil {
		return failed(err)
	}
	chosen, err := chosenLabs()
	if err != nil {
		return failed(err)
	}
	var running sync.WaitGroup
	codes := make([]int, len(chosen)+1)
	for i, own := range chosen {
		running.Go(func() { codes[i] = own.enter(cli) })
	}
	codes[len(chosen)] = enter(cli)
	running.Wait()
	for _, code := range codes {
		if code != 0 {
			return code
		}
	}
	return 0
}

// enter runs this binary inside the lab of most tests and returns its exit status.
func enter(cli string) int {
	dir, err := os.MkdirTemp("", "correio-e2e-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(dir)
	if err := copyLab(dir); err != nil {
		return failed(err)
	}
	self, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	cmd := exec.Command(cli, append([]string{"run", "--speed", speed, "--dir", dir, "--", self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inside+"="+shared, labDir+"="+dir, "CORREIO_BIN="+cli)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return status(cmd.Run())
}

// copyLab fills a directory with the lab that this project comes with.
func copyLab(dir string) error {
	return os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "deploy")))
}

// status is the exit status that a command's end means.
func status(err error) int {
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
