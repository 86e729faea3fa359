package mda_test

import "testing"

// RFC 3461 §5.2.3: one of MTA and MDA reports deliveries, and it is the MTA.
func TestLMTPLeavesReportsToTheMTA(t *testing.T) {
	l := newLab(t)
	if _, offered := l.lmtp().Extension("DSN"); offered {
		t.Error("the MDA offers DSN, and reports nothing")
	}
}
