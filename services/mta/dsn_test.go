package mta

import (
	"strings"
	"testing"

	"correio/services/mta/internal/bounce/bouncetest"
)

// parseReport reads a report that was delivered, behind its trace lines.
func parseReport(t *testing.T, raw string) bouncetest.Report {
	t.Helper()
	r, err := bouncetest.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.ReplaceAll(raw, "\r", ""))
	}
	return r
}
