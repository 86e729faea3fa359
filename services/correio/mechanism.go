package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/usage"
)

// strongest stands for the strongest mechanism that the server offers; passwd
// for POP3's USER and PASS (RFC 1939 §7), as a textbook has them.
const (
	strongest = "strongest"
	passwd    = "user"
)

// mechanism checks the name of a SASL mechanism that somebody gave, in any
// case, and returns what the workstation calls it.
func mechanism(cmd *cobra.Command, given string, known ...string) (string, error) {
	name := strings.ToLower(given)
	if !slices.Contains(append(known, strongest), name) {
		return "", usage.Errorf(cmd, noMechanism, given, strings.Join(append(known, strongest), ", "))
	}
	if name == strongest {
		return "", nil
	}
	return name, nil
}
