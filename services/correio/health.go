package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"correio/services/correio/internal/usage"
	"correio/services/internal/control"
	"correio/services/internal/lab"
	"correio/services/internal/tlsfiles"
)

// healthWait is less than what Docker waits for a health check.
const healthWait = 4 * time.Second

// healthCommand asks a node's own control port. In a container it needs no
// flags: process 1 is the node, and its command line says which.
func (a *app) healthCommand() *cobra.Command {
	var f nodeFlags
	var ready bool
	cmd := &cobra.Command{
		Use:    "health [--ready] [--dir DIR --name HOST]",
		Short:  healthShort.In(a.lang),
		Hidden: true,
		Args:   usage.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.name == "" {
				line, err := os.ReadFile("/proc/1/cmdline")
				if err != nil || !f.fromCommandLine(line) {
					return usage.Errorf(cmd, nodeWantsBoth)
				}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthWait)
			defer cancel()
			return f.ask(ctx, ready)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&ready, "ready", true, "ask whether the node is ready, and not only whether it is alive")
	return cmd
}

// fromCommandLine reads the flags of a `node` command line, its words ended by
// NULs; false when it is none.
func (f *nodeFlags) fromCommandLine(line []byte) bool {
	var words []string
	for word := range bytes.SplitSeq(bytes.TrimRight(line, "\x00"), []byte{0}) {
		words = append(words, string(word))
	}
	if len(words) < 3 || words[1] != "node" {
		return false
	}
	flags := pflag.NewFlagSet("node", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.StringVar(&f.dir, "dir", f.dir, "")
	flags.StringVar(&f.name, "name", "", "")
	flags.StringVar(&f.keys, "keys", f.keys, "")
	return flags.Parse(words[2:]) == nil && f.name != "" && f.dir != ""
}

func (f *nodeFlags) ask(ctx context.Context, ready bool) error {
	addr, err := f.control()
	if err != nil {
		return err
	}
	_, _, token, err := tlsfiles.Load(f.keys, "")
	if err != nil {
		return err
	}
	var d net.Dialer
	node := control.Client{Addr: addr, Token: token, HTTP: control.NewHTTP(func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", to.String())
	})}
	if ready {
		return node.Ready(ctx)
	}
	return node.Call(ctx, http.MethodGet, "/healthz", nil, nil)
}

// control finds the node's control port in its site, or in the lab for the
// observatory.
func (f *nodeFlags) control() (netip.AddrPort, error) {
	if _, err := os.Stat(filepath.Join(f.dir, lab.LabFile)); err == nil {
		l, err := lab.Load(f.dir)
		if err != nil {
			return netip.AddrPort{}, err
		}
		if f.name == l.Observatory.Name {
			return netip.AddrPortFrom(l.Observatory.Control, lab.ControlPort), nil
		}
		if host, ok := l.Host(f.name); ok {
			return control.Addr(host), nil
		}
		return netip.AddrPort{}, fmt.Errorf("no node %s in %s", f.name, f.dir)
	}
	org, err := lab.LoadOrg(f.dir)
	if err != nil {
		return netip.AddrPort{}, err
	}
	host, ok := org.Host(f.name)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("no node %s in %s", f.name, f.dir)
	}
	return control.Addr(host), nil
}
