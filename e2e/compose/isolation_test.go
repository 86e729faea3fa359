package compose

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// inspect returns what the engine knows of each service's container.
func inspect(t *testing.T) map[string]container.InspectResponse {
	t.Helper()
	all := map[string]container.InspectResponse{}
	for _, service := range theLab.Services() {
		c, err := theLab.stack.ServiceContainer(t.Context(), service)
		if err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		info, err := theLab.docker.ContainerInspect(t.Context(), c.GetContainerID(), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		all[service] = info.Container
	}
	return all
}

func TestNoContainerHasMoreRightsThanItNeeds(t *testing.T) {
	for service, c := range inspect(t) {
		if user := c.Config.User; user == "" || user == "0" || strings.HasPrefix(user, "0:") || user == "root" {
			t.Errorf("%s runs as %q, want somebody but root", service, user)
		}
		if !c.HostConfig.ReadonlyRootfs {
			t.Errorf("%s has a writable root file system", service)
		}
		if c.HostConfig.Privileged || !slices.Contains(c.HostConfig.CapDrop, "ALL") {
			t.Errorf("%s: privileged %v, capabilities dropped %v; want ALL dropped", service, c.HostConfig.Privileged, c.HostConfig.CapDrop)
		}
		for _, added := range c.HostConfig.CapAdd {
			if strings.TrimPrefix(added, "CAP_") != "NET_BIND_SERVICE" {
				t.Errorf("%s has capability %s", service, added)
			}
		}
	}
}

func TestNetworksAreInternalButTheFront(t *testing.T) {
	networks, err := theLab.docker.NetworkList(t.Context(), client.NetworkListOptions{Filters: ours()})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, n := range networks.Items {
		seen++
		front := strings.HasSuffix(n.Name, "_front")
		if !front && n.Options["com.docker.network.bridge.inhibit_ipv4"] != "true" {
			t.Errorf("network %s has the host as a neighbour: %v", n.Name, n.Options)
		}
		if n.Internal == front {
			t.Errorf("network %s: internal %v", n.Name, n.Internal)
		}
		if front && n.Options["com.docker.network.bridge.enable_ip_masquerade"] != "false" {
			t.Errorf("network %s lets its containers speak with the host's address: %v", n.Name, n.Options)
		}
	}
	if seen < 6 {
		t.Errorf("only %d networks found", seen)
	}
}

// connects runs the image's own console inside a service's container and
// reports whether it reaches an address, and what it said.
func connects(t *testing.T, service, host, port string) (bool, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out, code, err := theLab.Exec(ctx, service, "talk", "--via", "here", host, port)
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	if code == 2 { // usage: the question was not even understood
		t.Fatalf("%s: %s", service, out)
	}
	return code == 0, out
}

func TestOrganisationsLANsAreCutOffFromEachOther(t *testing.T) {
	if ok, out := connects(t, "aurora-pc", "198.19.1.110", "110"); !ok {
		t.Fatalf("aurora-pc does not reach its own MDA, so the test proves nothing:\n%s", out)
	}
	// aurora-mda is on its LAN alone, the others on the backbone as well.
	for _, from := range []string{"aurora-pc", "aurora-mx1", "aurora-mda", "cedro-pc", "cedro-mx2"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel() // each waits for nobody to answer
			if ok, out := connects(t, from, "198.19.2.110", "110"); ok {
				t.Errorf("%s reaches mda.boreal.test on Boreal's LAN:\n%s", from, out)
			}
		})
	}
	t.Run("aurora-mda to the backbone", func(t *testing.T) {
		t.Parallel()
		if ok, out := connects(t, "aurora-mda", "198.18.2.25", "25"); ok {
			t.Errorf("aurora-mda, which is on its LAN alone, reaches the backbone:\n%s", out)
		}
	})
}

// TestLabCannotReachOutside listens on the host, on the gateway address of a
// network that is not the lab's: whoever reaches that would reach the campus
// too. The observatory is left out: the host, to which it publishes the page,
// is its neighbour on the front; that it gets no further is
// TestNetworksAreInternalButTheFront's.
func TestLabCannotReachOutside(t *testing.T) {
	outside, err := theLab.docker.NetworkInspect(t.Context(), "bridge", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gateway := outside.Network.IPAM.Config[0].Gateway
	if !gateway.IsValid() {
		gateway = outside.Network.IPAM.Config[0].Subnet.Addr().Next()
	}
	ln, err := net.Listen("tcp", netip.AddrPortFrom(gateway, 0).String())
	if err != nil {
		t.Fatalf("listen on the engine's default bridge: %v", err)
	}
	defer ln.Close()
	go answer(ln)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	control, err := net.DialTimeout("tcp", ln.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatalf("not even the host reaches %s, so the test proves nothing: %v", ln.Addr(), err)
	}
	control.Close()
	// A listener that closes with the test would be gone before the parallel
	// parts run; a group holds them.
	t.Run("from", func(t *testing.T) {
		for _, from := range []string{"root", "resolver1", "aurora-ns", "aurora-mx1", "boreal-mda", "cedro-pc"} {
			t.Run(from, func(t *testing.T) {
				t.Parallel()
				if ok, out := connects(t, from, gateway.String(), port); ok {
					t.Errorf("%s reaches %s outside the lab:\n%s", from, ln.Addr(), out)
				}
			})
		}
	})
}

// answer greets and hangs up, until the listener is closed.
func answer(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("220 you should not hear this\r\n")) // whoever hears it has failed the test already
		c.Close()
	}
}

// TestEngineResolverKnowsNoLabName asks the engine's own resolver, which every
// container has at 127.0.0.11, for the names of the lab, and a service's name
// to see that it answers at all.
func TestEngineResolverKnowsNoLabName(t *testing.T) {
	ask := func(t *testing.T, service, name string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		out, _, err := theLab.Exec(ctx, service, "dig", "--via", "here", "@127.0.0.11", name, "A", "--short")
		if err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		return out
	}
	if !strings.Contains(ask(t, "aurora-pc", "aurora-mx1"), "198.1") {
		t.Fatal("the engine's resolver does not even answer for a service's name; the test proves nothing")
	}
	for service, c := range inspect(t) {
		if !c.State.Running {
			continue
		}
		for _, name := range []string{"mx1.boreal.test", "mda.aurora.test"} {
			t.Run(service+" asks for "+name, func(t *testing.T) {
				t.Parallel() // each waits for an answer that does not come
				if out := ask(t, service, name); strings.Contains(out, "198.1") {
					t.Errorf("%s: the engine's resolver answers for %s: %s", service, name, out)
				}
			})
		}
	}
}
