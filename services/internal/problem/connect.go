package problem

import "correio/services/internal/network"

// Connecting is the problem of a connection to a place, as HOST:PORT, that did
// not come about.
func Connecting(to string, err error) *Problem {
	if p := ByTrouble(network.TroubleOf(err), to); p != nil {
		return p
	}
	return New(ConnectFailed, to, err.Error())
}

// ByTrouble is Connecting where the trouble alone is known; nil for "".
func ByTrouble(t network.Trouble, to string) *Problem {
	switch t {
	case network.Refused:
		return New(ConnectRefused, to)
	case network.Timeout:
		return New(ConnectTimeout, to)
	case network.Unreachable:
		return New(ConnectNoWay, to)
	case network.Broken:
		return New(ConnectBroken, to)
	}
	return nil
}
