package deliver

import (
	"strconv"
	"strings"

	"correio/services/internal/smtpc"
)

// limit is what a host has named as one of its limits for this connection (RFC 9422),
// but not more than most, which also holds where it has named none.
func limit(c *smtpc.Client, name string, most int) int {
	limits, _ := c.Extension("LIMITS")
	for word := range strings.FieldsSeq(limits) {
		key, value, _ := strings.Cut(word, "=")
		if !strings.EqualFold(key, name) {
			continue
		}
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			return min(n, most)
		}
	}
	return most
}

// perTransaction is how many recipients a host wants to hear at a time (RFC 9422
// §4.2).
func perTransaction(c *smtpc.Client) int { return limit(c, "RCPTMAX", maxRcpts) }

// spent reports whether a connection has had all the transactions that we, or the
// host, want on one. RFC 9422 §4.1: every MAIL counts, whatever became of it.
func spent(c *smtpc.Client) bool {
	return c.Transactions() >= limit(c, "MAILMAX", maxTransactions)
}
