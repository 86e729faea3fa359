// Package labtest runs nodes of the lab inside a test: a Stack that maps the
// lab's addresses to loopback ports, and helpers that build a node's Env from
// a site's folder and run its Service.
//
// What a node sees is the lab: the addresses of listeners, of connections and
// of datagrams are the lab's on both ends. What the kernel sees is 127.0.0.1
// and ports of its own choice, so tests run in parallel, without privileges and
// without a namespace.
//
//	stack := labtest.NewStack(t)
//	env := labtest.Env(t, stack, "../../deploy/aurora", "mx1.aurora.test")
//	mx, err := mta.New(env)
//	...
//	stop := labtest.Start(t, mx)
//
// An address that nobody listens on refuses a connection at once; one that was
// given to Blackhole does not answer at all.
package labtest
