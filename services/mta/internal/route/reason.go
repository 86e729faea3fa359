package route

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"correio/services/internal/dnsclient"
	"correio/services/internal/network"
	"correio/services/internal/reason"
)

// silence is the rules about what DNS did not answer for now.
type silence struct{ timeout, refused, other reason.Rule }

var (
	domainUnanswered = silence{reason.LookupTimeout, reason.LookupRefused, reason.LookupFailed}
	hostUnanswered   = silence{reason.AddressTimeout, reason.AddressRefused, reason.AddressFailed}
)

// unanswered is why nothing is known about a name for now. Where a server said
// so, its words are part of it.
func unanswered(s silence, name string, err error) (rule reason.Rule, args []string) {
	var said *dnsclient.ServerError
	switch network.TroubleOf(err) {
	case network.Timeout:
		return s.timeout, []string{name}
	case network.Refused:
		return s.refused, []string{name}
	}
	if errors.As(err, &said) {
		return s.other, []string{name, said.Error()}
	}
	return s.other, []string{name, fmt.Sprint(err)}
}

func number(n int) string { return strconv.Itoa(n) }

// maxDescribed bounds the records that a reason lists.
const maxDescribed = 12

func describe(list []candidate) string {
	var parts []string
	for i, c := range list {
		if i == maxDescribed {
			parts = append(parts, "…")
			break
		}
		name := c.name
		if name == "" {
			name = "."
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.pref, name))
	}
	return strings.Join(parts, ", ")
}
