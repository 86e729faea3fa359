package run

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"

	"correio/e2e/scenario"
)

// TestScenarios plays inside `correio run` what every lab must do.
func TestScenarios(t *testing.T) {
	scenario.All(t, lab{cli: os.Getenv("CORREIO_BIN"), dir: os.Getenv(labDir)})
}

// lab is the lab around this process.
type lab struct{ cli, dir string }

// Dir is the lab directory: a copy, so that scenarios may edit zones.
func (l lab) Dir() string { return l.dir }

// Dial is the ordinary one: this process is inside the lab.
func (l lab) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// CLI runs the command, which finds the lab by its environment.
func (l lab) CLI(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(ctx, l.cli, args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), talk.String(), exit.ExitCode()
	}
	if err != nil {
		return out.String(), err.Error(), -1
	}
	return out.String(), talk.String(), 0
}
