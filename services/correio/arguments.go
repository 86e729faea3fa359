package main

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/usage"
	"correio/services/internal/mailaddr"
)

// What people type is checked before the lab is asked anything.

// hostName checks the name or address of a host.
func hostName(cmd *cobra.Command, name string) error {
	if _, err := netip.ParseAddr(name); err == nil || mailaddr.IsDomain(strings.TrimSuffix(name, ".")) {
		return nil
	}
	return usage.Errorf(cmd, notAHostName, name)
}

func hostNames(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if err := hostName(cmd, name); err != nil {
			return err
		}
	}
	return nil
}

// viaName checks what --via was given: nothing, here, or a workstation's name.
func viaName(cmd *cobra.Command, via string) error {
	if via == "" || via == here {
		return nil
	}
	return hostName(cmd, via)
}

// queueIDs refuses ids that name nothing, such as a variable that was never set, and
// writes the others as MTAs do, in capitals.
func queueIDs(cmd *cobra.Command, ids []string) error {
	for i, id := range ids {
		if strings.TrimSpace(id) == "" {
			return usage.Errorf(cmd, queueNoID)
		}
		ids[i] = strings.ToUpper(id)
	}
	return nil
}

func portNumber(cmd *cobra.Command, port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return usage.Errorf(cmd, badPort, "PORT", port)
	}
	return nil
}

func mailAddresses(cmd *cobra.Command, addresses ...string) error {
	for _, address := range addresses {
		if _, err := mailaddr.Parse(address); err != nil {
			return usage.Errorf(cmd, notAnAddress, address, err)
		}
	}
	return nil
}
