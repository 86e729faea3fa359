package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/fleet"
	"correio/services/correio/internal/usage"
	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/tlsfiles"
)

// gcPercent trades a little time for memory: a node is mostly idle, and a lab
// has many (performance.md §1).
const gcPercent = 50

// nodeFlags say which node is meant, to `node` and `health` alike.
type nodeFlags struct {
	dir, name, keys string
}

func (f *nodeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "dir", "", "folder of the node's site; of the whole lab for the observatory")
	cmd.Flags().StringVar(&f.name, "name", "", "host name of the node")
	cmd.Flags().StringVar(&f.keys, "keys", "/keys", "folder of the site's keys")
}

func (a *app) nodeCommand() *cobra.Command {
	var f nodeFlags
	var state, speed string
	cmd := &cobra.Command{
		Use:    "node ROLE --dir DIR --name HOST",
		Short:  nodeShort.In(a.lang),
		Hidden: true,
		Args:   usage.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			role := lab.Role(args[0])
			if !slices.Contains(lab.Roles, role) {
				return usage.Errorf(cmd, nodeUnknownRole, args[0], fmt.Sprint(lab.Roles))
			}
			if f.dir == "" || f.name == "" {
				return usage.Errorf(cmd, nodeWantsBoth)
			}
			factor, err := a.speed(cmd, speed)
			if err != nil {
				return err
			}
			debug.SetGCPercent(gcPercent)
			member, err := a.member(role, f, state, factor)
			if err != nil {
				return err
			}
			debug.FreeOSMemory() // what starting took and running does not need
			return member.Run(cmd.Context())
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&state, "state", "/var/lib/correio", "folder for what survives a restart")
	a.speedFlag(cmd, &speed)
	return cmd
}

func (a *app) speedFlag(cmd *cobra.Command, speed *string) {
	cmd.Flags().StringVar(speed, "speed", "", speedFlag.In(a.lang))
}

// speed is --speed, or LAB_SPEED, which the Compose file passes on, or 1.
func (a *app) speed(cmd *cobra.Command, value string) (clock.Speed, error) {
	if value == "" {
		value = a.getenv("LAB_SPEED")
	}
	if value == "" {
		return 1, nil
	}
	speed, err := clock.Parse(value)
	if err != nil {
		return 0, usage.Errorf(cmd, badSpeed, value, int(clock.MaxSpeed))
	}
	return speed, nil
}

// member makes the one node of this process.
func (a *app) member(role lab.Role, f nodeFlags, state string, speed clock.Speed) (*fleet.Member, error) {
	log := slog.New(slog.NewJSONHandler(a.stderr, nil)).With("node", f.name)
	if role == lab.RoleObservatory {
		return observatoryMember(f, speed, log)
	}
	org, err := lab.LoadOrg(f.dir)
	if err != nil {
		return nil, err
	}
	host, ok := org.Host(f.name)
	if !ok || host.Role != role {
		return nil, textError(nodeNotThere, filepath.Join(f.dir, lab.SiteFile), f.name, role)
	}
	spec := fleet.Spec{Org: org, Host: host, State: state, Speed: speed, Net: network.System{}, Version: version, Log: log, Process: true}
	if err := spec.LoadKeys(f.keys); err != nil {
		return nil, err
	}
	return fleet.New(spec)
}

// observatoryMember listens on every address of its container: what is
// published of it is the container engine's to say.
func observatoryMember(f nodeFlags, speed clock.Speed, log *slog.Logger) (*fleet.Member, error) {
	l, err := lab.Load(f.dir)
	if err != nil {
		return nil, err
	}
	_, _, token, err := tlsfiles.Load(f.keys, f.name)
	if err != nil {
		return nil, err
	}
	return fleet.NewObservatory(fleet.ObservatorySpec{
		Lab: l, Speed: speed, Net: network.System{}, Token: token, Version: version, Log: log,
		Bind: netip.IPv4Unspecified(), Process: true,
	})
}

func (a *app) keysCommand() *cobra.Command {
	var dir, out string
	cmd := &cobra.Command{
		Use:    "keys --dir LAB --out OUT",
		Short:  keysShort.In(a.lang),
		Hidden: true,
		Args:   usage.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" || out == "" {
				return usage.Errorf(cmd, keysWantsBoth)
			}
			l, err := lab.Load(dir)
			if err != nil {
				return err
			}
			return tlsfiles.Write(l, out)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the lab directory")
	cmd.Flags().StringVar(&out, "out", "", "where to write")
	return cmd
}
