// Package sandbox runs this program again as pid 1 of its own user, network,
// mount and pid namespaces: a private internet on one machine, without Docker
// and without being root (Linux only).
//
// The outer process (Run) starts the inner one, hands it its configuration and
// open files, passes signals on, and ends with its status. The inner process
// (Inside) builds the world (World.Build), runs what it is there for, and may
// run one command of the user's in it (Command).
//
// Nothing is left behind, whatever ends the outer process: the kernel kills
// the inner one with it, then everything that ran in its pid namespace, and
// takes the mounts and addresses away with the namespaces. What outlives a run
// is one empty directory per user, always the same, on which each run mounts
// its own memory file system.
//
// Inside, the addresses of the world are the loopback device's, each alone, so
// an address that nobody has is not answered: packets to the world's other
// addresses are dropped and connecting to one times out, as on a network where
// nobody is; everything outside the world is unreachable at once. A program
// that does not choose its own address speaks to the world from World.Visitor.
package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
)

// World is what the inner process finds around itself.
type World struct {
	// MountPoint is the directory that the memory file system is mounted on.
	MountPoint string
	// Addresses are the world's, all on the loopback device.
	Addresses []netip.Addr
	// Networks are the prefixes in which other addresses do not answer.
	Networks []netip.Prefix
	// Visitor is the address of programs that do not choose one; the zero Addr
	// leaves the choice to the kernel, which takes the other end's.
	Visitor netip.Addr
	// Resolver is named in /etc/resolv.conf.
	Resolver netip.Addr
}

// Spec is what Run starts.
type Spec struct {
	Args  []string // the inner process's arguments, without its name
	Env   []string
	Files []*os.File // the inner process has them as Inside.Files
	// Config is handed over as JSON.
	Config any
	// Interactive says that the inner process runs a command of the user's:
	// the terminal's own signals reach it without help. Without it the first
	// signal asks the inner process to stop, the second one kills it.
	Interactive bool
}

// message is one line of JSON from the outer to the inner process.
type message struct {
	Config json.RawMessage `json:"config,omitempty"`
	Files  int             `json:"files,omitempty"`
	Signal int             `json:"signal,omitempty"`
}

// controlFile is the descriptor of the inner process's end of the channel;
// Spec.Files follow it.
const controlFile = 3

func send(w io.Writer, m message) error {
	if err := json.NewEncoder(w).Encode(m); err != nil {
		return fmt.Errorf("tell the inner process: %w", err)
	}
	return nil
}
