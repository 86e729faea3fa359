package labtest

import (
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/node"
)

// Env builds what a node of a site's folder is given: the site is loaded from
// orgDir, such as "../../deploy/aurora", the rest is as EnvOf says. The test
// fails when the site cannot be loaded or has no such host.
func Env(t testing.TB, stack *Stack, orgDir, host string) *node.Env {
	t.Helper()
	org, err := lab.LoadOrg(orgDir)
	if err != nil {
		t.Fatalf("load site %s: %v", orgDir, err)
	}
	return EnvOf(t, stack, org, host)
}
