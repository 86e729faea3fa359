package sandbox

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// netlink is a route netlink socket (rtnetlink(7)): requests go out one by one,
// and each is acknowledged.
type netlink struct {
	fd  int
	seq uint32
}

func openNetlink() (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("talk to the kernel about the network: %w", os.NewSyscallError("socket", err))
	}
	// The kernel answers at once; a deadline keeps a mistake of ours from hanging.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("talk to the kernel about the network: %w", os.NewSyscallError("setsockopt", err))
	}
	return &netlink{fd: fd}, nil
}

func (nl *netlink) close() { unix.Close(nl.fd) }

func (nl *netlink) linkUp(device int) error {
	body := unix.IfInfomsg{Family: unix.AF_UNSPEC, Index: int32(device), Flags: unix.IFF_UP, Change: unix.IFF_UP}
	return nl.request(unix.RTM_NEWLINK, 0, bytesOf(&body))
}

// addAddress gives the device one address, with no network around it.
func (nl *netlink) addAddress(device int, a netip.Addr) error {
	body := unix.IfAddrmsg{Family: family(a), Prefixlen: uint8(a.BitLen()), Scope: unix.RT_SCOPE_UNIVERSE, Index: uint32(device)}
	return nl.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE,
		append(append(bytesOf(&body), attribute(unix.IFA_LOCAL, a.AsSlice())...), attribute(unix.IFA_ADDRESS, a.AsSlice())...))
}

// route is one entry of a routing table, by device.
type route struct {
	table, kind, scope uint8
	to                 netip.Prefix
	from               netip.Addr // the source that is chosen; the zero Addr for none
	device             int
}

func (nl *netlink) replaceRoute(r route) error {
	body := unix.RtMsg{Family: family(r.to.Addr()), Dst_len: uint8(r.to.Bits()), Table: r.table,
		Protocol: unix.RTPROT_KERNEL, Scope: r.scope, Type: r.kind}
	message := append(bytesOf(&body), attribute(unix.RTA_DST, r.to.Addr().AsSlice())...)
	message = append(message, attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(r.device)))...)
	if r.from.IsValid() {
		message = append(message, attribute(unix.RTA_PREFSRC, r.from.AsSlice())...)
	}
	return nl.request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, message)
}

// request sends one message and waits for its acknowledgement.
func (nl *netlink) request(kind, flags uint16, body []byte) error {
	nl.seq++
	header := unix.NlMsghdr{Len: uint32(unix.SizeofNlMsghdr + len(body)), Type: kind,
		Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK | flags, Seq: nl.seq}
	if err := unix.Sendto(nl.fd, append(bytesOf(&header), body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("send", err)
	}
	answer := make([]byte, os.Getpagesize())
	n, _, err := unix.Recvfrom(nl.fd, answer, 0)
	if err != nil {
		return os.NewSyscallError("receive", err)
	}
	return acknowledged(answer[:n], nl.seq)
}

// acknowledged reads an answer: an NLMSG_ERROR whose number is 0, or minus the
// error's.
func acknowledged(answer []byte, seq uint32) error {
	if len(answer) < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("netlink answer of %d octets", len(answer))
	}
	kind := binary.NativeEndian.Uint16(answer[4:])
	of := binary.NativeEndian.Uint32(answer[8:])
	if kind != unix.NLMSG_ERROR || of != seq {
		return fmt.Errorf("netlink answer of kind %d to request %d, want an acknowledgement of %d", kind, of, seq)
	}
	if number := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); number != 0 {
		return unix.Errno(-number)
	}
	return nil
}

// attribute encodes a route attribute, padded to four octets.
func attribute(kind uint16, value []byte) []byte {
	length := unix.SizeofRtAttr + len(value)
	out := make([]byte, 0, (length+3)&^3)
	out = binary.NativeEndian.AppendUint16(out, uint16(length))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = append(out, value...)
	return out[:cap(out)]
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// bytesOf returns the octets of one of the kernel's structures, as it wants
// them.
func bytesOf[T unix.NlMsghdr | unix.IfInfomsg | unix.IfAddrmsg | unix.RtMsg](v *T) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))...)
}
