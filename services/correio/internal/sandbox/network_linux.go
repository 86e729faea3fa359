package sandbox

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// network brings the loopback device up with the world's addresses and routes.
func (w *World) network() error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback device: %w", err)
	}
	nl, err := openNetlink()
	if err != nil {
		return err
	}
	defer nl.close()
	if err := nl.linkUp(lo.Index); err != nil {
		return fmt.Errorf("bring the loopback device up: %w", err)
	}
	addresses := w.Addresses
	if w.Visitor.IsValid() {
		addresses = append([]netip.Addr{w.Visitor}, addresses...)
	}
	for _, a := range addresses {
		if err := nl.addAddress(lo.Index, a); err != nil {
			return fmt.Errorf("add address %s: %w", a, err)
		}
	}
	for _, p := range w.Networks {
		// A route, not an address: what is sent to the device for an address
		// that nobody has is dropped.
		if err := nl.replaceRoute(route{table: unix.RT_TABLE_MAIN, kind: unix.RTN_UNICAST, scope: unix.RT_SCOPE_LINK, to: p.Masked(), from: w.Visitor, device: lo.Index}); err != nil {
			return fmt.Errorf("add route to %s: %w", p, err)
		}
	}
	if w.Visitor.IsValid() {
		if err := w.speakAsVisitor(nl, lo.Index); err != nil {
			return err
		}
	}
	tune()
	return nil
}

// speakAsVisitor changes the source that the kernel chooses for connections to
// the world's own addresses, which would be the other end's address.
func (w *World) speakAsVisitor(nl *netlink, device int) error {
	for _, a := range w.Addresses {
		local := route{table: unix.RT_TABLE_LOCAL, kind: unix.RTN_LOCAL, scope: unix.RT_SCOPE_HOST,
			to: netip.PrefixFrom(a, a.BitLen()), from: w.Visitor, device: device}
		if err := nl.replaceRoute(local); err != nil {
			return fmt.Errorf("choose the source of connections to %s: %w", a, err)
		}
	}
	return nil
}

// tune raises limits of the network namespace that are low for a whole lab on
// one device. An old kernel may refuse: then its own limits hold.
func tune() {
	for file, value := range map[string]string{
		"/proc/sys/net/core/somaxconn":                  "4096",
		"/proc/sys/net/ipv4/ip_unprivileged_port_start": "0",
		"/proc/sys/net/ipv4/ping_group_range":           "0 2147483647",
	} {
		_ = os.WriteFile(file, []byte(value), 0)
	}
}
