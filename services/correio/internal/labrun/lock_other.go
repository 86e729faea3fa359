//go:build !unix

package labrun

// lockState does nothing: no lab runs here.
func lockState(string) (unlock func(), err error) { return func() {}, nil }
