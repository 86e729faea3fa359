//go:build !unix

package smtpd

import "correio/services/internal/reason"

// earlyTalk cannot be seen without blocking here.
func (*session) earlyTalk() []reason.Reason { return nil }
