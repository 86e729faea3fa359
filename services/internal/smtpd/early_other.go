//go:build !unix

package smtpd

// earlyTalk cannot be seen without blocking here.
func (*session) earlyTalk() string { return "" }
