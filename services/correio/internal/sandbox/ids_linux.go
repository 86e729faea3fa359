package sandbox

import (
	"fmt"
	"strings"
	"syscall"
)

// ids is one way to map users and groups of the outside to the inside.
type ids struct {
	users, groups []syscall.SysProcIDMap
	all           bool
}

// mappings lists the ways to try, widest first. Root maps every id that it has
// itself, so that programs inside may change users; anybody else can map but
// their own, which is root's inside.
func mappings(uid, gid int, read func(file string) string) []ids {
	one := ids{
		users:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		groups: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
	}
	if uid != 0 {
		return []ids{one}
	}
	all := ids{users: identity(read("/proc/self/uid_map")), groups: identity(read("/proc/self/gid_map")), all: true}
	if len(all.users) == 0 || len(all.groups) == 0 {
		return []ids{one}
	}
	return []ids{all, one}
}

// identity maps every id that an id map file lists to itself.
func identity(table string) []syscall.SysProcIDMap {
	var maps []syscall.SysProcIDMap
	for line := range strings.Lines(table) {
		var inside, outside, size int
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err == nil {
			maps = append(maps, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
		}
	}
	return maps
}
